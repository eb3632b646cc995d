//! Places in answers, and what depends on them.

use toml::de::DeValue;

use crate::config::document::{Field, Table, listed};
use crate::config::problem::Finding;
use crate::provider::login::{End, InvalidPlace, Part, Place, Sign, Unit, Verdict, XmlPath};

/// `"/pointer"`, or a table.
pub(super) fn place(field: &Field<'_>) -> Option<Place> {
    read(field, |_| Some(())).map(|(place, ())| place)
}

/// Which answers are good.
pub(super) fn verdict(table: &mut Table<'_>) -> Option<Verdict> {
    let ok = table.take("ok").map(|field| sign(&field));
    let error = table.take("error").map(|field| place(&field));
    Some(Verdict {
        ok: ok.map_or(Some(None), |ok| ok.map(Some))?,
        error: error.map_or(Some(None), |error| error.map(Some))?,
    })
}

/// When the token ends.
pub(super) fn end(table: &mut Table<'_>) -> Option<End> {
    match (table.take("expires_in"), table.take("expires_at")) {
        (None, None) => Some(End::Unstated),
        (Some(field), None) => {
            let unit = |table: &mut Table<'_>| {
                table.take("unit").map_or(Some(Unit::default()), |unit| unit.choice(&Unit::ALL))
            };
            read(&field, unit).map(|(place, unit)| End::In(place, unit))
        }
        (None, Some(field)) => at(&field),
        (Some(_), Some(field)) => {
            field.report_name(
                Finding::error("`expires_in` and `expires_at` exclude each other").help("keep one of them"),
            );
            None
        }
    }
}

fn at(field: &Field<'_>) -> Option<End> {
    if let DeValue::Table(_) = field.value {
        let mut table = field.table("`expires_at`".into())?;
        if let Some(jwt) = table.take("jwt") {
            let is_jwt = jwt.flag()?;
            table.finish(|_| None);
            if !is_jwt {
                jwt.report(Finding::error("`jwt` can only be true"));
            }
            return is_jwt.then_some(End::Jwt);
        }
    }
    read(field, |table| {
        table.ask("jwt");
        Some(())
    })
    .map(|(place, ())| End::At(place))
}

/// `{ status = 302 }`, or a place with what must stand there.
fn sign(field: &Field<'_>) -> Option<Sign> {
    let mut table = field.table("`ok`".into())?;
    if let Some(status) = table.take("status") {
        let number = match status.value {
            DeValue::Integer(_) => status
                .integer()
                .and_then(|number| u16::try_from(number).ok())
                .filter(|number| (200..400).contains(number)),
            _ => status.mismatch("a number"),
        };
        if number.is_none() {
            status.report(Finding::error("`status` is not one of a good answer").help("it is from 200 to 399"));
        }
        table.finish(|_| None);
        return number.map(Sign::Status);
    }
    let expected = |table: &mut Table<'_>| {
        table.ask("status");
        let Some(field) = table.take("is") else {
            table.report(Finding::error("`ok` does not say what must stand there").help("write e.g. is = 0"));
            return None;
        };
        match field.value {
            DeValue::Boolean(value) => Some(value.to_string()),
            DeValue::Integer(_) => {
                let number = field.integer().map(|number| number.to_string());
                number.or_else(|| field.mismatch("a number of 64 bits"))
            }
            DeValue::Float(_) => {
                let finding = Finding::error("`is` must be a string, a whole number, true or false");
                field.report(finding.help("write the number as the answer has it, in quotes, e.g. is = \"1.5\""));
                None
            }
            _ => field.text().map(|text| text.value),
        }
    };
    read(field, expected).map(|(place, expected)| Sign::Value(place, expected.into()))
}

/// A place, with what else its table may hold.
fn read<T>(field: &Field<'_>, more: impl FnOnce(&mut Table<'_>) -> Option<T>) -> Option<(Place, T)> {
    let plain = |part| Place { part, after: None, before: None };
    if let DeValue::String(_) = field.value {
        let part = part(field, Part::json)?;
        // As in a table that says no more.
        return Some((plain(part), more(&mut Table::empty(field))?));
    }
    let DeValue::Table(_) = field.value else { return field.mismatch(FORMS) };
    let mut table = field.table(format!("`{}`", field.name))?;
    let fields: Vec<_> = PARTS.into_iter().filter_map(|name| table.take(name)).collect();
    let part = match &fields[..] {
        [field] => read_part(field),
        [] => {
            field.report(Finding::error(format!("`{}` does not say where", field.name)).help(format!("write {FORMS}")));
            None
        }
        [_, other, ..] => {
            other.report_name(
                Finding::error("this names several places").help(format!("keep one of {}", listed(PARTS))),
            );
            None
        }
    };
    let after = table.take("after").map(|field| field.text().map(|text| text.value.into()));
    let before = table.take("before").map(|field| field.text().map(|text| text.value.into()));
    let more = more(&mut table);
    table.finish(|_| None);
    let place = Place {
        part: part?,
        after: after.map_or(Some(None), |after| after.map(Some))?,
        before: before.map_or(Some(None), |before| before.map(Some))?,
    };
    Some((place, more?))
}

fn read_part(field: &Field<'_>) -> Option<Part> {
    match field.name {
        "json" => part(field, Part::json),
        "header" => part(field, Part::header),
        "cookie" => part(field, Part::cookie),
        "xml" => part(field, |text| XmlPath::parse(text).map(Part::Xml)),
        _ => {
            let is_body = field.flag()?;
            if !is_body {
                field.report(Finding::error("`body` can only be true"));
            }
            is_body.then_some(Part::Body)
        }
    }
}

fn part(field: &Field<'_>, parse: impl FnOnce(&str) -> Result<Part, InvalidPlace>) -> Option<Part> {
    let text = field.text()?;
    parse(&text.value).map_err(|error| text.report(Finding::error(format!("`{}` {error}", field.name)))).ok()
}

const PARTS: [&str; 5] = ["json", "header", "cookie", "xml", "body"];
const FORMS: &str =
    "\"/json/pointer\", { header = \"NAME\" }, { cookie = \"NAME\" }, { xml = \"PATH\" } or { body = true }";
