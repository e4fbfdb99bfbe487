//! What is said of the server.

use super::*;

#[test]
fn the_server() {
    const OTHERS: [&str; 3] = ["access skipped", "listing skipped", "parameters skipped"];
    let with_others = |first: &'static str| [vec![first], OTHERS.to_vec()].concat();
    for (trouble_is, expected, exit) in [
        (
            Trouble::Status,
            with_others("server fail"),
            Exit::Unavailable,
        ),
        (Trouble::Busy, with_others("server warn"), Exit::Done),
        (
            Trouble::Key,
            vec!["access fail", "listing skipped", "parameters skipped"],
            Exit::KeyRefused,
        ),
        (
            Trouble::Protocol,
            vec!["access skipped", "listing fail", "parameters skipped"],
            Exit::Protocol,
        ),
    ] {
        let mut facts = well();
        refuse(&mut facts, trouble_is);
        assert_eq!(trouble(&facts), expected);
        assert_eq!(judge(&facts).exit(), exit);
    }
    let silent = ["rate limit skipped", "clock skipped"];
    for (trouble_is, first) in [
        (Trouble::NoAnswer, ["tls skipped", "server fail"]),
        (Trouble::Certificate, ["tls fail", "server skipped"]),
    ] {
        let mut facts = well();
        refuse(&mut facts, trouble_is);
        visit(&mut facts).head = None;
        assert_eq!(trouble(&facts), [&first[..], &OTHERS, &silent].concat());
        assert_eq!(judge(&facts).exit(), Exit::Unavailable);
    }
}

#[test]
fn what_one_answer_tells() {
    assert_troubles(&[
        (
            |facts| {
                visit(facts).result = Ok(Listed {
                    customers: 100,
                    leads_on: true,
                });
            },
            &["parameters warn"],
        ),
        (
            |facts| {
                visit(facts).result = Ok(Listed {
                    customers: 1,
                    leads_on: false,
                });
            },
            &["parameters skipped"],
        ),
        (
            |facts| {
                visit(facts).result = Ok(Listed {
                    customers: 0,
                    leads_on: false,
                });
            },
            &["listing warn", "parameters skipped"],
        ),
        (
            |facts| visit(facts).head.as_mut().unwrap().quota = Some("0 of 100".to_owned()),
            &["rate limit warn"],
        ),
        (
            |facts| visit(facts).head.as_mut().unwrap().quota = Some("10".to_owned()),
            &[],
        ),
        (
            |facts| visit(facts).head.as_mut().unwrap().clock_ahead = Some(TimeDelta::seconds(-61)),
            &["clock warn"],
        ),
        (
            |facts| visit(facts).head.as_mut().unwrap().clock_ahead = None,
            &["clock skipped"],
        ),
        (
            |facts| facts.server = ServerFacts::LeftAlone(at(60)),
            &[
                "tls skipped",
                "server warn",
                "access skipped",
                "listing skipped",
                "parameters skipped",
                "rate limit skipped",
                "clock skipped",
            ],
        ),
    ]);
    assert_found(
        &well(),
        "parameters",
        "`cursor` led the last pass through 2 pages",
    );
}
