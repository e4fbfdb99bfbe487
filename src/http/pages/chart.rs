//! The last passes as a picture: how long each took, and what it found.
//!
//! A first pass creates every customer, and may take a hundred times as long as those that follow, which are what an operator wants to
//! compare. So counts are drawn by their order of magnitude, each kind in a lane of its own: what is stacked on such a scale has no height
//! that means anything. Durations are drawn to scale, and one that is far longer than usual is cut off at the top, and marked so.
//!
//! The drawing is as wide as there is room, and so is stretched sideways; its labels are a drawing of their own, which isn't. Heights
//! are pixels in both.

mod geometry;
mod words;

use std::time::Duration;

use maud::{Markup, html};

use crate::human::{count, plural, span};
use crate::model::{PassReport, SweepState, Timestamp};
use geometry::{Bars, Counts, Durations, MARKS_HEIGHT, SLOT_WIDTH};
use words::{day, fate, told};
pub(super) use words::{told_span, took};

/// More passes are not drawn.
pub(super) const PASSES_MAX: usize = 60;
/// With fewer passes than this, the rest is left free: a few passes would make very broad bars.
const SLOTS_MIN: usize = 30;

const LABELS_WIDTH: usize = 104;
const DURATION_HEIGHT: usize = 88;
const COUNT_HEIGHT: usize = 34;
const GAP: usize = 14;

/// What of a pass is counted in a lane: its name, which is its class too, and the number.
type Lane = (&'static str, fn(&PassReport) -> i64);

const LANES: [Lane; 4] = [
    ("created", |pass| pass.created),
    ("updated", |pass| pass.updated),
    ("deleted", |pass| pass.deleted),
    ("restored", |pass| pass.restored),
];

/// Draws passes, the newest first as they are listed; the oldest is drawn at the left.
pub(super) fn draw(passes: &[PassReport], now: Timestamp) -> Markup {
    let shown: Vec<&PassReport> = passes.iter().take(PASSES_MAX).rev().collect();
    let chart = Chart::of(&shown, now);
    html! {
        @if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
            figure #chart .chart data-passes=(shown.len()) {
                div.plot {
                    (chart.labels())
                    (chart.drawing())
                }
                p.axis aria-hidden="true" {
                    // Fewer passes don't begin at the left.
                    @if shown.len() >= SLOTS_MIN { span { (day(&first.started_at)) } }
                    span.last { (day(&last.started_at)) }
                }
                figcaption {
                    "Each column is a pass, the latest at the right. Counts are drawn by order of magnitude, up to "
                    (count(chart.counts.most())) "."
                    @for (name, words) in chart.legend() {
                        " " span.key { span class={ "sign " (name) } aria-hidden="true" {} (words) }
                    }
                }
            }
        }
    }
}

/// Passes, the oldest first, and the scales for them.
struct Chart<'a> {
    passes: &'a [&'a PassReport],
    took: Vec<Option<Duration>>,
    durations: Durations,
    counts: Counts,
    slots: usize,
}

impl<'a> Chart<'a> {
    fn of(passes: &'a [&'a PassReport], now: Timestamp) -> Self {
        let took: Vec<_> = passes.iter().map(|pass| took(pass, now)).collect();
        let most = passes
            .iter()
            .flat_map(|pass| LANES.iter().map(|(_, number)| number(pass)))
            .max();
        Self {
            durations: Durations::for_all(took.iter().flatten().copied()),
            counts: Counts::up_to(most.unwrap_or_default()),
            slots: passes.len().max(SLOTS_MIN),
            passes,
            took,
        }
    }

    const fn height() -> usize {
        MARKS_HEIGHT + DURATION_HEIGHT + LANES.len() * (GAP + COUNT_HEIGHT) + 1
    }

    /// Where a lane's zero is.
    const fn base(lane: usize) -> usize {
        MARKS_HEIGHT + DURATION_HEIGHT + (lane + 1) * (GAP + COUNT_HEIGHT)
    }

    /// Where the column of a pass begins: the latest is at the right end.
    fn left(&self, index: usize) -> usize {
        (self.slots - self.passes.len() + index) * SLOT_WIDTH
    }

    /// Names and ends of the scales.
    fn labels(&self) -> Markup {
        let base = MARKS_HEIGHT + DURATION_HEIGHT;
        let scale = self.durations.scale();
        let tick = |y: usize, text: &str| {
            html! { text.tick x=(LABELS_WIDTH - 6) y=(y) text-anchor="end" { (text) } }
        };
        html! {
            svg.labels width=(LABELS_WIDTH) height=(Self::height()) viewBox=(format!("0 0 {LABELS_WIDTH} {}", Self::height()))
                aria-hidden="true" {
                text x="0" y=(base) { "duration" }
                (tick(base - DURATION_HEIGHT + 8, &span(scale)))
                (tick(base - DURATION_HEIGHT / 2 + 4, &span(scale / 2)))
                (tick(base, "0"))
                @for (lane, (name, _)) in LANES.iter().enumerate() {
                    text x="0" y=(Self::base(lane)) { (name) }
                    (tick(Self::base(lane) - COUNT_HEIGHT + 8, &geometry::short(self.counts.most())))
                    (tick(Self::base(lane), "0"))
                }
            }
        }
    }

    fn drawing(&self) -> Markup {
        let width = self.slots * SLOT_WIDTH;
        let height = Self::height();
        let base = MARKS_HEIGHT + DURATION_HEIGHT;
        let mut lines = vec![base - DURATION_HEIGHT, base - DURATION_HEIGHT / 2, base];
        for lane in 0..LANES.len() {
            lines.extend([Self::base(lane) - COUNT_HEIGHT, Self::base(lane)]);
        }
        html! {
            svg.drawing role="img" aria-label=(self.summary()) width="100%" height=(height)
                viewBox=(format!("0 0 {width} {height}")) preserveAspectRatio="none" {
                @for y in lines {
                    line.grid x1="0" x2=(width) y1=(y) y2=(y) {}
                }
                @for (name, path) in self.duration_paths() {
                    path class={ "bar " (name) } d=(path) {}
                }
                @for (lane, (name, number)) in LANES.iter().enumerate() {
                    path class={ "bar " (name) } d=(self.count_path(lane, *number)) {}
                }
                @for (name, path) in self.marks() {
                    path class={ "mark " (name) } d=(path) {}
                }
                @for (index, pass) in self.passes.iter().enumerate() {
                    rect.column x=(self.left(index)) y="0" width=(SLOT_WIDTH) height=(height) data-pass=(pass.pass_id) {
                        title { (told(pass, self.took.get(index).copied().flatten())) }
                    }
                }
            }
        }
    }

    /// The bars of durations, by what became of the passes.
    fn duration_paths(&self) -> impl Iterator<Item = (&'static str, String)> {
        let paths = ["complete", "ended", "running"].map(|name| {
            let mut bars = Bars::on(MARKS_HEIGHT + DURATION_HEIGHT, SLOT_WIDTH);
            for (index, pass) in self.passes.iter().enumerate() {
                if let Some(took) = self.took.get(index).copied().flatten()
                    && fate(pass) == name
                {
                    bars.add(
                        self.left(index),
                        self.durations.height(took, DURATION_HEIGHT),
                    );
                }
            }
            (name, bars.into_path())
        });
        paths.into_iter().filter(|(_, path)| !path.is_empty())
    }

    fn count_path(&self, lane: usize, number: fn(&PassReport) -> i64) -> String {
        let mut bars = Bars::on(Self::base(lane), SLOT_WIDTH);
        for (index, pass) in self.passes.iter().enumerate() {
            bars.add(
                self.left(index),
                self.counts.height(number(pass), COUNT_HEIGHT),
            );
        }
        bars.into_path()
    }

    /// What is told by a sign above a column, not by its colour alone.
    fn marks(&self) -> impl Iterator<Item = (&'static str, String)> {
        let drawn = |is_there: &dyn Fn(usize, &PassReport) -> bool, draw: fn(usize) -> String| {
            let passes = self.passes.iter().enumerate();
            let there = passes.filter(|(index, pass)| is_there(*index, pass));
            there
                .map(|(index, _)| draw(self.left(index)))
                .collect::<String>()
        };
        let has_ended = |_: usize, pass: &PassReport| fate(pass) == "ended";
        let is_held = |_: usize, pass: &PassReport| pass.sweep == SweepState::Held;
        let is_cut = |index: usize, _: &PassReport| {
            let took = self.took.get(index).copied().flatten();
            took.is_some_and(|took| self.durations.is_cut(took))
        };
        let marks = [
            ("failed", drawn(&has_ended, geometry::cross)),
            ("held", drawn(&is_held, geometry::diamond)),
            ("cut", drawn(&is_cut, geometry::gap)),
        ];
        marks.into_iter().filter(|(_, path)| !path.is_empty())
    }

    /// The signs that are there, in words.
    fn legend(&self) -> Vec<(&'static str, &'static str)> {
        let words = |name| match name {
            "failed" => "failed or abandoned",
            "held" => "sweep held",
            _ => "longer than can be drawn",
        };
        let mut legend: Vec<_> = self.marks().map(|(name, _)| (name, words(name))).collect();
        if self.passes.iter().any(|pass| fate(pass) == "running") {
            legend.push(("running", "not finished"));
        }
        legend
    }

    /// What the picture shows, for who can't see it.
    fn summary(&self) -> String {
        let failed = self.passes.iter().filter(|pass| fate(pass) == "ended");
        let total = |number: fn(&PassReport) -> i64| {
            let sum: i64 = self
                .passes
                .iter()
                .fold(0, |sum, pass| sum.saturating_add(number(pass)));
            count(sum)
        };
        let found: Vec<String> = LANES
            .iter()
            .map(|(name, number)| format!("{} {name}", total(*number)))
            .collect();
        let longest = self.took.iter().flatten().max().copied();
        format!(
            "The last {}, {} of them failed or abandoned; the longest took {}. In all {}. The numbers are in the table.",
            plural(self.passes.len() as i64, "pass", "passes"),
            failed.count(),
            span(longest.unwrap_or_default()),
            found.join(", "),
        )
    }
}

#[cfg(test)]
mod tests;
