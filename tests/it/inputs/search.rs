//! Of a question: whatever was typed, it is told who answers it and where, and what is looked up for it is understood by SQLite.

use customer_mirror::decode::{self, COLUMNS, Value};
use customer_mirror::search::{Field, Kind, Question, SEARCHED};

/// Texts of customers, and so what is asked for. No UUID is among them: the index has those as a whole and by their beginnings only.
pub(super) const TEXTS: [&str; 33] = [
    "Ada Lovelace",
    "Åsa Öström-Łukasiewicz",
    "山田太郎",
    "김철수 서울",
    "O'Brien & Sons",
    "D’Angelo",
    "Straße 12 b",
    "İstanbul ışık",
    "ﬁne ﬂour",
    "e\u{301}clair",
    "STORGATAN 1",
    "415 22",
    "SE-415 22",
    "ada@example.com",
    "a.b+c@mail.example",
    "ÅSA@EXEMPEL.SE",
    "+46 (0)70-123 45 67",
    "46701234567",
    "0046701234567",
    "19900101-1234",
    "crm-customer-42",
    "K1",
    "x",
    "ab",
    "Ελλάδα Σίσυφος",
    "Иван Петров",
    "ไทย ภาษา",
    "محمد",
    "NEAR OR AND",
    "names:x",
    "100 % \"quoted\"",
    "null",
    "日本 Tokyo 7",
];

/// Customers by their IDs: each text stands in each kind of field of somebody.
pub(super) fn records() -> Vec<(String, String)> {
    let text = |number: usize| serde_json::to_string(TEXTS[number % TEXTS.len()]).unwrap();
    (0..TEXTS.len() * 2)
        .map(|n| {
            let id = if n < TEXTS.len() { TEXTS[n].to_owned() } else { format!("id {n}") };
            let quoted = serde_json::to_string(&id).unwrap();
            let record = format!(
                r#"{{"customerId":{quoted},"name":{},"referenceId":{},"identity":{},"contact":{{"email":{},"msisdn":{}}},
                    "billing":{{"address":{{"street1":{},"zip":{},"city":{}}}}},"users":[{{"userId":"u","name":{}}}]}}"#,
                text(n), text(n + 5), text(n + 9), text(n + 12), text(n + 17), text(n + 2), text(n + 19), text(n + 23), text(n + 29),
            );
            (id, record)
        })
        .collect()
}

/// Any text. True if somebody answers it.
#[allow(
    dead_code,
    reason = "the fuzzer's way in; `cargo test` comes by the index"
)]
pub(super) fn of_question(input: &[u8]) -> bool {
    thread_local!(static RECORDS: Vec<(String, String)> = records());
    let text = String::from_utf8_lossy(input);
    RECORDS.with(|records| !who_answers(&text, records).is_empty())
}

/// The IDs of those who answer.
pub(super) fn who_answers(text: &str, records: &[(String, String)]) -> Vec<String> {
    let question = Question::new(text);
    for lookup in question.lookups() {
        lookup
            .words
            .iter()
            .chain(&lookup.grams)
            .for_each(|expression| of_expression(expression));
    }
    let mut answering = Vec::new();
    for (id, record) in records {
        let customer = decode::customer(record).unwrap();
        let fields = fields(&customer);
        let answer = question.judge(&fields);
        for (field, marks) in fields
            .iter()
            .zip(answer.iter().flat_map(|answer| &answer.marks))
        {
            let mut end = 0;
            for mark in marks {
                assert!(
                    mark.start >= end && mark.end > mark.start,
                    "marks are apart and in order: {marks:?} for {text:?}"
                );
                assert!(
                    field.text.get(mark.clone()).is_some(),
                    "marks are of whole characters"
                );
                end = mark.end;
            }
        }
        of_plain_word(text, &fields, answer.is_some());
        if answer.is_some() {
            answering.push(id.clone());
        }
    }
    answering
}

/// Of FTS5 there is nothing but words in quotes, and what is written between them.
fn of_expression(expression: &str) {
    for (index, piece) in expression.split('"').enumerate() {
        if index % 2 == 1 {
            assert!(
                !piece.is_empty() && !piece.contains('\0'),
                "a word: {expression:?}"
            );
        } else {
            let words = piece.split(|c: char| c.is_whitespace() || "()*:".contains(c));
            for word in words.filter(|word| !word.is_empty()) {
                assert!(
                    matches!(word, "AND" | "OR" | "names"),
                    "{word} in {expression:?}"
                );
            }
        }
    }
    assert_eq!(expression.matches('"').count() % 2, 0, "{expression:?}");
}

fn fields<'a>(customer: &'a decode::Customer<'_>) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for searched in SEARCHED {
        let place = COLUMNS
            .iter()
            .position(|column| column.name == searched.column)
            .unwrap();
        if let Some(Value::Text(text)) = &customer.values[place] {
            fields.push(Field {
                kind: searched.kind,
                text,
            });
        }
    }
    let names = customer
        .users
        .iter()
        .filter_map(|user| user.name.as_deref());
    fields.extend(names.map(|text| Field {
        kind: Kind::OtherName,
        text,
    }));
    fields
}

/// One word of plain letters is found where anybody would look for it: at the beginning of a word, or anywhere in an address or ID.
fn of_plain_word(text: &str, fields: &[Field<'_>], is_found: bool) {
    if text.len() < 3 || !text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    let is_plain = |field: &&Field<'_>| field.text.is_ascii() && !field.text.contains('\'');
    let has = |field: &Field<'_>| {
        let there = field.text.to_ascii_lowercase();
        match field.kind {
            Kind::Name | Kind::OtherName | Kind::Address => there
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word.starts_with(text)),
            Kind::Email => there.contains(text),
            Kind::Id => there
                .replace(|c: char| !c.is_ascii_alphanumeric(), "")
                .contains(text),
            Kind::Phone => false,
        }
    };
    if fields.iter().filter(is_plain).any(has) {
        assert!(is_found, "{text} is there");
    } else if fields.iter().all(|field| is_plain(&field)) {
        assert!(!is_found, "{text} is not there");
    }
}
