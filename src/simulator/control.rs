//! Remote control for people with curl: `POST /_simulator/day?day=2`.

use hyper::Response;
use hyper::http::request::Parts;

use super::answer::{self, Body, Problem};
use super::api::query;
use super::customers::DAY_MAX;
use super::fault::FaultPlan;
use super::shared::Shared;

/// Where the commands are; requests to them are neither logged nor counted.
pub(super) const PREFIX: &str = "/_simulator/";

/// Carries out a command.
pub(super) fn answer(shared: &Shared, head: &Parts, command: &str) -> Response<Body> {
    let query = query(head);
    let done = match (head.method.as_str(), command) {
        ("POST", "day") => {
            let day = query
                .get("day")
                .and_then(|day| day.parse().ok())
                .filter(|day| (1..=DAY_MAX).contains(day));
            day.map(|day| shared.set_day(day))
                .ok_or_else(|| format!("day must be 1 to {DAY_MAX}"))
        }
        ("POST", "fault") => {
            let plan = query
                .get("spec")
                .map(String::as_str)
                .unwrap_or_default()
                .parse::<FaultPlan>();
            plan.map(|plan| shared.state().faults.push(plan))
                .map_err(|error| error.to_string())
        }
        ("POST", "clear-faults") => {
            shared.state().faults.clear();
            Ok(())
        }
        ("POST", "expire-cursors") => {
            shared.state().generation += 1;
            Ok(())
        }
        _ => Err("no such command".to_owned()),
    };
    match done {
        Ok(()) => answer::plain(200, "application/json", "{\"done\":true}\n"),
        Err(message) => answer::problem(&Problem {
            status: 400,
            code: "invalid_command",
            message: &message,
            detail: None,
            hint: "POST day?day=N, fault?spec=SPEC, clear-faults or expire-cursors.",
        }),
    }
}
