use std::time::Duration;

use super::*;
use crate::http::pages::samples::{PLAIN, now};

fn of(passes: &[PassReport]) -> String {
    draw(passes, now()).into_string()
}

/// The numbers of all paths, as points: where each bar begins, and how high it is.
fn bars(svg: &str) -> Vec<(f64, f64, f64)> {
    let paths = svg
        .split("d=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let bars = paths.flat_map(|path| path.split('M').skip(1).filter_map(bar));
    bars.collect()
}

fn bar(text: &str) -> Option<(f64, f64, f64)> {
    let (start, rest) = text.split_once("v-")?;
    let (x, base) = start.split_once(' ')?;
    let height = rest.split('h').next()?;
    Some((x.parse().ok()?, base.parse().ok()?, height.parse().ok()?))
}

fn drawing_width(svg: &str) -> f64 {
    let view_boxes = svg.split("viewBox=\"0 0 ").skip(2);
    let mut widths = view_boxes.filter_map(|rest| rest.split(' ').next()?.parse().ok());
    widths.next().unwrap()
}

#[test]
fn every_bar_is_within_the_picture() {
    let mut extreme = PLAIN.sixty_passes();
    extreme[0].created = i64::MAX;
    extreme[1].updated = -5;
    extreme[2].finished_at = Some("9999-12-31T23:59:59.000Z".to_owned());
    extreme[3].started_at = "no time".to_owned();
    extreme[4].finished_at = Some("0001-01-01T00:00:00.000Z".to_owned());
    let sixty = PLAIN.sixty_passes();
    let mut idle = sixty.clone();
    for pass in &mut idle {
        (pass.created, pass.updated, pass.deleted, pass.restored) = (0, 0, 0, 0);
        pass.finished_at = Some(pass.started_at.clone());
    }
    for (passes, count_min) in [
        (&extreme[..], 150),
        (&sixty[..], 150),
        (&sixty[..1], 3),
        (&idle[..], 0),
    ] {
        let svg = of(passes);
        let (width, height) = (drawing_width(&svg), Chart::height() as f64);
        let bars = bars(&svg);
        assert!(bars.len() >= count_min, "{} bars", bars.len());
        for (x, base, tall) in bars {
            assert!(x >= 0.0 && x + 8.0 <= width, "{x} of {width}");
            assert!(base <= height && tall > 0.0, "{base} {tall}");
            assert!(tall <= DURATION_HEIGHT as f64 && base - tall >= MARKS_HEIGHT as f64);
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<rect").count(), passes.len());
    }
    assert_eq!(of(&[]), "");
}

#[test]
fn more_passes_than_there_is_room_for_are_left_out() {
    let mut passes = PLAIN.sixty_passes();
    passes.extend(PLAIN.sixty_passes());
    let svg = of(&passes);
    assert!(svg.contains("data-passes=\"60\""));
    assert_eq!(svg.matches("<rect").count(), 60);
}

#[test]
fn the_latest_pass_is_at_the_right_and_told_in_words() {
    let passes = PLAIN.sixty_passes();
    let svg = of(&passes[..2]);
    let columns: Vec<&str> = svg.split("<rect").skip(1).collect();
    assert!(columns[1].contains("x=\"290\"") && columns[1].contains("data-pass=\"60\""));
    assert!(columns[1].contains(
        "<title>Pass 60: complete, began 2026-01-31 09:25:50 UTC, took 1 min 35 s, 100\u{202f}000 records: 3 created, 160 updated, \
         4 deleted</title>"
    ), "{}", columns[1]);
}

#[test]
fn a_first_pass_does_not_flatten_the_others() {
    let passes = PLAIN.sixty_passes();
    let svg = of(&passes);
    let created_base = Chart::base(0) as f64;
    let created: Vec<f64> = bars(&svg)
        .into_iter()
        .filter(|(_, base, _)| (*base - created_base).abs() < 0.1)
        .map(|(_, _, height)| height)
        .collect();
    // A million fills its lane; a dozen is well to be seen beside it.
    assert!(
        (created[0] - COUNT_HEIGHT as f64).abs() < 0.1,
        "{created:?}"
    );
    assert!(
        created.iter().skip(1).all(|height| *height > 4.0),
        "{created:?}"
    );
    // It took 50 min, the others 2.
    assert!(svg.contains("class=\"mark cut\"") && svg.contains("longer than can be drawn"));
    let uneventful = of(&passes[..10]);
    assert!(!uneventful.contains("mark cut") && !uneventful.contains("sign failed"));
}

#[test]
fn what_failed_is_told_by_a_sign() {
    let svg = of(&PLAIN.sixty_passes());
    let failed = svg.split("class=\"mark failed\" d=\"").nth(1).unwrap();
    let crosses = failed.split('"').next().unwrap().matches('M').count();
    assert_eq!(crosses, 2 * 2, "two crosses of two strokes");
    assert!(svg.contains("2 of them failed or abandoned"));
}

#[test]
fn scales_end_at_round_numbers() {
    for (seconds, end) in [
        (&[][..], 2),
        (&[0], 2),
        (&[3], 4),
        (&[90, 100, 110], 120),
        (&[90, 100, 5000], 120),
        (&[9_000_000], 9_000_000),
    ] {
        let durations = seconds.iter().map(|seconds| Duration::from_secs(*seconds));
        assert_eq!(
            Durations::for_all(durations).scale().as_secs(),
            end,
            "{seconds:?}"
        );
    }
    for (most, end) in [
        (0, 10),
        (1, 10),
        (10, 10),
        (11, 100),
        (1_000_000, 1_000_000),
        (i64::MAX, i64::MAX),
    ] {
        assert_eq!(Counts::up_to(most).most(), end);
    }
    for (number, text) in [
        (10, "10"),
        (100_000, "100k"),
        (1_000_000, "1M"),
        (i64::MAX, "9223372036G"),
    ] {
        assert_eq!(geometry::short(number), text);
    }
    // Each power of ten is a step higher, and 1 is a step above nothing.
    let counts = Counts::up_to(1_000_000);
    for (number, share) in [
        (-1, 0.0),
        (0, 0.0),
        (1, 1.0),
        (10, 2.0),
        (1000, 4.0),
        (1_000_000, 7.0),
        (i64::MAX, 7.0),
    ] {
        let height = counts.height(number, 70);
        assert!((height - share * 10.0).abs() < 0.001, "{number}: {height}");
    }
}
