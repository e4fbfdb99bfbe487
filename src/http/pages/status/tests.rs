use crate::http::pages::samples::PLAIN;
use crate::http::pages::tests::tokens::Tokens;
use crate::mirror::Remedy;

fn has_all(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "lacks {text}");
    }
}

#[test]
fn the_headline_and_the_tab_tell_how_the_mirror_stands() {
    let table = [
        (PLAIN.fine(), "● 4 min", "fine", "Complete as of"),
        (
            PLAIN.troubled(),
            "▲ needs attention, 4 min",
            "attention",
            "Complete as of",
        ),
        (PLAIN.stale(), "■ stale, 3 days", "stale", "Complete as of"),
        (
            PLAIN.empty(),
            "○ not complete",
            "incomplete",
            "Not complete",
        ),
        (
            PLAIN.first_pass(),
            "○ not complete",
            "incomplete",
            "Not complete",
        ),
    ];
    for (sample, tab, standing, headline) in table {
        let page = sample.page();
        has_all(
            &page,
            &[
                &format!("<title>{tab} — customer-mirror</title>"),
                &format!("data-standing=\"{standing}\""),
                &format!("<h1 id=\"freshness\">{headline}"),
            ],
        );
    }
    has_all(
        &PLAIN.fine().page(),
        &[
            "<time datetime=\"2026-01-31T09:25:50.000Z\" title=\"2026-01-31 09:25:50 UTC\">4 min ago</time></h1>",
            "<dd id=\"live-customers\">1\u{202f}000\u{202f}123</dd>",
            "<dd id=\"deleted-customers\">4\u{202f}567</dd>",
        ],
    );
}

#[test]
fn only_the_standing_is_read_aloud() {
    let page = PLAIN.running().page();
    assert_eq!(page.matches("role=\"status\"").count(), 1);
    assert!(!page.contains("aria-live"));
    assert!(page.contains(
        "<p class=\"state\" id=\"state\" role=\"status\"><span aria-hidden=\"true\">●</span> OK</p>"
    ));
}

#[test]
fn what_needs_a_person_comes_with_its_command() {
    let held = PLAIN.troubled().page();
    has_all(
        &held,
        &[
            "id=\"matter-held-sweep\"",
            "143 customers were missing at once",
            "<code class=\"command\">customer-mirror deletions approve</code>",
            "<code class=\"command\">customer-mirror deletions discard</code>",
            "href=\"/deletions\">… and 123 more</a>",
            "id=\"matter-failing\"",
            "4 failed attempts in a row",
            "id=\"matter-quarantine\"",
            "id=\"matter-conflicts\"",
            "id=\"matter-configuration\"",
        ],
    );
    let names = held.split("id=\"held-customers\"").nth(1).unwrap();
    assert_eq!(
        names.split("</ul>").next().unwrap().matches("<li>").count(),
        20
    );
    has_all(
        &PLAIN.key_refused().page(),
        &[
            "id=\"matter-key-refused\"",
            "The API key was refused",
            "401 Unauthorized",
            "customer-mirror check",
        ],
    );
    has_all(
        &PLAIN.stale().page(),
        &["id=\"matter-stale\"", "more than 3 periods"],
    );
    has_all(
        &PLAIN.interrupted().page(),
        &[
            "id=\"matter-stopped\"",
            "customer-mirror sync",
            "connection refused",
        ],
    );
    let fine = PLAIN.fine().page();
    assert!(
        fine.contains("<section id=\"attention\" data-live hidden></section>"),
        "nothing to see to"
    );
}

#[test]
fn what_can_wait_does_not_alarm() {
    let mut sample = PLAIN.fine();
    sample.status.quarantined = 1;
    sample.status.reference_conflicts = Some(1);
    let page = sample.page();
    has_all(
        &page,
        &[
            "data-standing=\"fine\"",
            "To look at when there is time",
            "1 record in quarantine",
        ],
    );
}

#[test]
fn the_work_is_told_as_it_goes() {
    has_all(
        &PLAIN.running().page(),
        &[
            "data-doing=\"fetching\"",
            "Asking for page 63.",
            "<progress id=\"progress\" max=\"100\" value=\"62\"",
            "62 % of about 100\u{202f}000 records",
            "<dd id=\"pass-retries\">3</dd>",
            "data-interval-seconds=\"2\"",
        ],
    );
    has_all(
        &PLAIN.waiting().page(),
        &[
            "data-doing=\"waiting\"",
            "(in 28 s), as the server asked, before retry 2: <bdi>429 Too Many Requests",
        ],
    );
    let first = PLAIN.first_pass().page();
    has_all(
        &first,
        &[
            "data-doing=\"fetching\"",
            "will be known when a first pass is complete",
        ],
    );
    assert!(!first.contains("<progress"));
    has_all(
        &PLAIN.fine().page(),
        &[
            "data-doing=\"idle\"",
            "data-interval-seconds=\"10\"",
            "The next pass begins",
        ],
    );
    has_all(
        &PLAIN.interrupted().page(),
        &["data-doing=\"interrupted\"", "data-interval-seconds=\"10\""],
    );
    has_all(
        &PLAIN.empty().page(),
        &[
            "No pass under way",
            "A pass now: <code class=\"command\">customer-mirror sync",
        ],
    );
}

#[test]
fn progress_is_never_more_than_all() {
    for (records, expected, percent) in [
        (0, Some(10), Some(0)),
        (9, Some(10), Some(90)),
        (12, Some(10), Some(100)),
        (i64::MAX, Some(1), Some(100)),
        (5, Some(0), None),
        (5, None, None),
    ] {
        let mut sample = PLAIN.running();
        if let Some(progress) = &mut sample.progress {
            progress.records = records;
            progress.expected_records = expected;
        }
        let page = sample.page();
        let shown = page.split("max=\"100\" value=\"").nth(1);
        let shown = shown.and_then(|rest| rest.split('"').next()?.parse().ok());
        assert_eq!(shown, percent, "{records} of {expected:?}");
    }
}

#[test]
fn another_process_at_work_is_seen_without_its_progress() {
    let mut sample = PLAIN.running();
    sample.progress = None;
    has_all(
        &sample.page(),
        &[
            "data-doing=\"running\"",
            "data-interval-seconds=\"2\"",
            "value=\"62\"",
        ],
    );
    sample.status.running_pass = None;
    let page = sample.page();
    has_all(&page, &["data-doing=\"idle\"", "The next pass is due"]);
    assert!(!page.contains("A pass now"), "it would be refused");
}

#[test]
fn every_part_is_there_to_be_filled() {
    let ids = |page: &str| -> Vec<String> {
        let tags = Tokens::of(page).tags;
        let live = tags.iter().filter(|tag| tag.value("data-live").is_some());
        live.filter_map(|tag| tag.value("id").map(str::to_owned))
            .collect()
    };
    let all = [
        "headline",
        "attention",
        "work",
        "held-sweep",
        "passes",
        "quarantined",
        "conflicts",
        "facts",
    ];
    for sample in [PLAIN.fine(), PLAIN.empty(), PLAIN.troubled()] {
        assert_eq!(ids(&sample.page()), all);
    }
}

#[test]
fn passes_are_a_table_too_with_their_errors() {
    let page = PLAIN.fine().page();
    let recent = page.split("id=\"recent-passes\"").nth(1).unwrap();
    let recent = recent.split("</table>").next().unwrap();
    assert_eq!(recent.matches("data-pass=").count(), 10);
    has_all(
        recent,
        &[
            "<th scope=\"row\">60</th>",
            "<th scope=\"col\">State</th>",
            "resumed 2×",
            "1 min 35 s",
        ],
    );
    has_all(
        &page,
        &[
            "<summary>50 earlier</summary>",
            "✕ </span>failed",
            "Pass 42: <bdi>the server answered 503",
        ],
    );
    assert!(!PLAIN.empty().page().contains("<table"));
}

#[test]
fn every_remedy_has_its_words() {
    for (remedy, words) in [
        (Remedy::Server, "tries again by itself, not before"),
        (Remedy::Time, "tries again by itself, not before"),
        (Remedy::NextDue, "tries again at the next due time"),
        (Remedy::Key, "Put a valid key where the old one is"),
    ] {
        let mut sample = PLAIN.troubled();
        if let Some(retry) = &mut sample.status.retry {
            retry.waits_for = remedy;
        }
        assert!(sample.page().contains(words), "{remedy:?}");
    }
}
