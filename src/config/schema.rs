//! Every key there is: its name, the type of its value, its default. What the loaders accept and the example file documents.

/// The type that a value must have, whichever source it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// Text such as `500ms`, `15m`, `90d`, or for some keys `never`.
    Duration,
    /// A whole number.
    Integer,
    /// A number, with or without decimals.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// A key of the configuration.
#[derive(Debug)]
pub(super) struct Key {
    /// Section and name: `api.page_size`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As one would write it in the environment; `None` for a key that is not set by default.
    pub(super) default: Option<&'static str>,
}

const fn set(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Some(default),
    }
}

const fn unset(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        default: None,
    }
}

/// All keys, in the order of the contract.
pub(super) const KEYS: &[Key] = &[
    unset("api.base_url", Kind::Text),
    unset("api.key_file", Kind::Text),
    unset("api.filter", Kind::Text),
    set("api.page_size", Kind::Integer, "1000"),
    set("api.connect_timeout", Kind::Duration, "10s"),
    set("api.request_timeout", Kind::Duration, "60s"),
    set("api.max_response_bytes", Kind::Integer, "67108864"),
    unset("api.max_requests_per_second", Kind::Number),
    set("api.parameters.filter", Kind::Text, "filter"),
    set("api.parameters.limit", Kind::Text, "limit"),
    set("api.parameters.cursor", Kind::Text, "cursor"),
    set("retry.initial_delay", Kind::Duration, "500ms"),
    set("retry.max_delay", Kind::Duration, "60s"),
    set("retry.max_elapsed", Kind::Duration, "15m"),
    set("schedule.cron", Kind::Text, "*/15 * * * *"),
    set("schedule.timezone", Kind::Text, "UTC"),
    set("schedule.jitter", Kind::Duration, "0s"),
    set("schedule.run_on_start", Kind::Boolean, "true"),
    set(
        "mirror.path",
        Kind::Text,
        "/var/lib/customer-mirror/customers.db",
    ),
    set("deletions.confirm_passes", Kind::Integer, "2"),
    set("deletions.max_percent", Kind::Number, "10"),
    set("deletions.always_allow", Kind::Integer, "20"),
    set("deletions.purge_after", Kind::Duration, "never"),
    set("changes.keep", Kind::Duration, "90d"),
    set("http.listen", Kind::Text, "off"),
    unset("http.hosts", Kind::Text),
    unset("http.token_file", Kind::Text),
    set("http.ready_periods", Kind::Integer, "3"),
    set("log.level", Kind::Text, "info"),
    set("log.format", Kind::Text, "auto"),
];

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// True for `api` and `api.parameters`: names that hold keys, not values.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The sections at the top of the file.
pub(super) fn top_sections() -> Vec<&'static str> {
    let mut sections: Vec<&'static str> = KEYS
        .iter()
        .filter_map(|key| key.name.split('.').next())
        .collect();
    sections.dedup();
    sections
}

/// The section at the top that a name is in, if there is such a section.
pub(super) fn top_section_of(name: &str) -> Option<&'static str> {
    let (section, _) = name.split_once('.')?;
    top_sections().into_iter().find(|known| *known == section)
}

/// The remedy for an unknown name: the nearest key, or those that there are.
pub(super) fn suggestion(unknown: &str) -> String {
    let unknown = unknown.to_lowercase();
    let sections = ["api.parameters"].into_iter().chain(top_sections());
    let nearest = KEYS
        .iter()
        .map(|key| key.name)
        .chain(sections)
        .map(|name| (similarity(&unknown, name), name))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(similarity, _)| *similarity >= 0.65);
    if let Some((_, name)) = nearest {
        return format!("did you mean {name}?");
    }
    let section = unknown.rsplit_once('.').map_or("", |(section, _)| section);
    if !is_section(section) {
        return format!("the sections are {}", top_sections().join(", "));
    }
    let inside = KEYS
        .iter()
        .filter_map(|key| key.name.strip_prefix(section)?.strip_prefix('.'));
    let names: Vec<&str> = inside.filter(|name| !name.contains('.')).collect();
    format!("the keys of [{section}] are {}", names.join(", "))
}

/// How alike two names are, 0 to 1; the right key in the wrong section counts as nearly the same.
fn similarity(unknown: &str, name: &str) -> f64 {
    let last = |path: &str| {
        path.rsplit('.')
            .next()
            .unwrap_or_default()
            .replace(['_', '-'], "")
    };
    let whole = strsim::normalized_damerau_levenshtein(unknown, name);
    let misplaced = 0.95 * strsim::normalized_damerau_levenshtein(&last(unknown), &last(name));
    // Of two keys that are called the same (api.filter, api.parameters.filter) the one whose section fits wins.
    if misplaced > whole {
        misplaced + 0.04 * whole
    } else {
        whole
    }
}

/// True for what stands, or was meant to stand, in `[http]`.
pub(super) fn is_in_http(name: &str) -> bool {
    name.starts_with("http.")
}

/// True for names under which people would write the API key; their values are not shown.
pub(super) fn sounds_secret(name: &str) -> bool {
    let last = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_lowercase()
        .replace(['_', '-'], "");
    let words = [
        "token",
        "secret",
        "password",
        "passwd",
        "credential",
        "authorization",
        "bearer",
    ];
    last != "keyfile"
        && (last.ends_with("key")
            || last.contains("apikey")
            || words.iter().any(|word| last.contains(word)))
}
