//! What grant `login` takes: credentials, and the table `[providers.NAME.login]` with its recipe.

mod names;
mod place;
mod request;
pub(super) mod schema;

use super::document::{Field, Table, listed};
use super::problem::Finding;
use super::secret_ref;
use crate::credentials::{Credentials, PASSWORD, USERNAME, is_name};
use crate::provider::login::{LoginSettings, MAX_STEPS, REFRESH_TOKEN, Recipe, Step, TokenStep};
use crate::provider::{Accounts, ApiBase, Transport};
use crate::secret::Secret;

use self::names::{API_BASE, Names};
use self::place::{end, place, verdict};
use self::request::request;

/// Reads a login, or notes why it is none.
pub(super) async fn read(
    table: &mut Table<'_>,
    transport: Transport,
    accounts: Accounts,
    api_base: Option<&ApiBase>,
) -> Option<LoginSettings> {
    let api_base = api_base.map(|base| base.as_str().to_owned());
    let given = given(table, accounts).await;
    let values = given.iter().filter_map(|(field, value)| Some((field.name.to_owned(), value.clone()?)));
    // What could not be had is reported already.
    let all_had = given.iter().all(|(_, value)| value.is_some());
    let credentials = given.first().filter(|_| all_had).and_then(|(first, _)| credentials(values, first));
    let mut names = Names::new(accounts, api_base, given.iter().map(|(field, _)| field.name.to_owned()));
    let recipe = table.require("login")?.table("[login]".into()).and_then(|table| recipe(table, transport, &mut names));
    let recipe = recipe?;
    for (field, _) in given.iter().filter(|(field, _)| !names.is_used(field.name)) {
        let finding = Finding::error(format!("`{}` is not used in [login]", field.name));
        field.report_name(finding.help(format!("write {{{}}} where it belongs, or remove it", field.name)));
    }
    Some(LoginSettings { recipe, credentials })
}

/// Reports what a login cannot have that is used when another way fails.
pub(super) fn check_fallback(table: &Table<'_>) {
    let members = table.peek("login").map(Field::members).unwrap_or_default();
    for field in members.iter().filter(|field| field.name == "refresh") {
        // The store keeps one refresh token for a key, and that is the first way's.
        let finding = Finding::error("a fallback is given no refresh token, so its [login.refresh] is never used");
        field.report_name(finding.help("remove it, and `refresh_token` in its [login]"));
    }
}

/// The options that give values, each with its value unless that is wrong. With accounts in the store these are the
/// values that all of them share.
async fn given<'d>(table: &mut Table<'d>, accounts: Accounts) -> Vec<(Field<'d>, Option<Secret>)> {
    let mut given = Vec::new();
    if accounts != Accounts::Stored {
        if let Some(field) = table.take(USERNAME) {
            let username = field.text().map(|text| Secret::new(text.value));
            given.push((field, username));
        }
        if let Some(field) = table.take(PASSWORD) {
            let password = secret_ref::read(&field).await;
            given.push((field, password));
        }
    }
    for field in table.table("credentials").map(Table::into_fields).unwrap_or_default() {
        if RESERVED.contains(&field.name) {
            let help = format!("{} stand beside it or mean something else", listed(RESERVED));
            field
                .report_name(Finding::error(format!("`{}` does not belong into `credentials`", field.name)).help(help));
        } else if is_name(field.name) {
            let value = secret_ref::read(&field).await;
            given.push((field, value));
        } else {
            field.report_name(Finding::error("a name of credentials has letters, digits and '_', 64 at most"));
        }
    }
    given
}

fn credentials(values: impl Iterator<Item = (String, Secret)>, first: &Field<'_>) -> Option<Credentials> {
    Credentials::new(values).map_err(|error| first.report(Finding::error(error.to_string()))).ok()
}

fn recipe(mut table: Table<'_>, transport: Transport, names: &mut Names) -> Option<Recipe> {
    let step_field = table.take("step");
    let all_steps = step_field.iter().flat_map(Field::elements).flat_map(|step| step.members());
    let captures = all_steps.filter(|field| field.name == "capture").flat_map(|field| field.members());
    names.announce(captures.map(|field| field.name.to_owned()));
    let steps = step_field.map_or(Some(Vec::new()), |field| steps(&field, transport, names));
    let refresh_field = table.take("refresh");
    let refresh_place = table.has(REFRESH_TOKEN);
    if let (Some(field), false) = (&refresh_field, refresh_place) {
        let finding = Finding::error("there is no refresh token for [login.refresh]");
        field.report_name(finding.help("say in [login] where it stands, e.g. refresh_token = \"/refresh_token\""));
    }
    let login = token_step(&mut table, transport, names, refresh_field.is_some());
    table.finish(|_| None);
    names.forget_captured();
    let refresh = match &refresh_field {
        None => Some(None),
        Some(field) => refresh(field, transport, names).map(Some),
    };
    Some(Recipe { steps: steps?, login: login?, refresh: refresh? })
}

fn steps(field: &Field<'_>, transport: Transport, names: &mut Names) -> Option<Vec<Step>> {
    let items = field.items()?;
    if items.len() > MAX_STEPS {
        field.report_name(Finding::error(format!("a login has {MAX_STEPS} steps at most")));
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| step(item.table("[[login.step]]".into())?, transport, names)).collect();
    read.into_iter().collect()
}

fn step(mut table: Table<'_>, transport: Transport, names: &mut Names) -> Option<Step> {
    let request = request(&mut table, transport, names);
    let verdict = verdict(&mut table);
    let mut capture = Vec::new();
    for field in table.table("capture").map(Table::into_fields).unwrap_or_default() {
        let place = place(&field);
        match names.capture(field.name) {
            Ok(()) => capture.extend(place.map(|place| (field.name.into(), place))),
            Err(what) => field.report_name(Finding::error(what)),
        }
    }
    table.finish(|_| None);
    Some(Step { request: request?, verdict: verdict?, capture })
}

fn refresh(field: &Field<'_>, transport: Transport, names: &mut Names) -> Option<TokenStep> {
    let mut table = field.table("[login.refresh]".into())?;
    names.add_refresh_token();
    let step = token_step(&mut table, transport, names, true);
    table.finish(|_| None);
    if !names.is_used(REFRESH_TOKEN) {
        field.report_name(Finding::error("[login.refresh] does not send {refresh_token}"));
    }
    step
}

fn token_step(table: &mut Table<'_>, transport: Transport, names: &mut Names, can_refresh: bool) -> Option<TokenStep> {
    let request = request(table, transport, names);
    let verdict = verdict(table);
    let token = table.require("token").and_then(|field| place(&field));
    let mut optional = |name| table.take(name).map(|field| place(&field));
    let (token_type, scope) = (optional("token_type"), optional("scope"));
    let end = end(table);
    let refresh_token = table.take(REFRESH_TOKEN).map(|field| {
        if !can_refresh {
            let finding = Finding::error("`refresh_token` is of no use without [login.refresh]");
            field.report_name(finding.help("say in [login.refresh] how it is used, or remove it"));
        }
        place(&field)
    });
    Some(TokenStep {
        request: request?,
        verdict: verdict?,
        token: token?,
        // What is there and wrong is no recipe; what is not there is none.
        token_type: token_type.map_or(Some(None), |place| place.map(Some))?,
        scope: scope.map_or(Some(None), |place| place.map(Some))?,
        end: end?,
        refresh_token: refresh_token.map_or(Some(None), |place| place.map(Some))?,
    })
}

/// Names that mean something of their own.
const RESERVED: [&str; 5] = [USERNAME, PASSWORD, API_BASE, REFRESH_TOKEN, crate::credentials::LIFETIME];
