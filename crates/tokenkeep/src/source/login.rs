//! `login`: a vendor's own endpoints, asked as a recipe says.
//!
//! ```text
//! recipe + values ─▶ request ─▶ HttpClient ─▶ answer ─▶ verdict ─▶ found ─▶ value of a later request, or the token
//! ```
//!
//! What is put into a request and what is taken out of an answer is secret. So an error, and what a trial tells of a
//! request, is made of the recipe's own words; the only text of an answer in it is the one that `error` points at,
//! without what was sent.

mod answer;
mod cookies;
mod end;
mod fault;
mod request;
mod told;
mod unfit;
mod values;
mod xml;

use async_trait::async_trait;

use self::answer::Answer;
use self::cookies::Jar;
use self::fault::{Asked, Exchange, Judgement, judge};
use self::values::Values;
use super::http::HttpClient;
use super::turn::Turn;
use super::{Ask, Fault, FetchError, Fetched, TokenSource, TrialStep, token_response, unfit_token};
use crate::credentials::{Credentials, PASSWORD};
use crate::fingerprint::Fingerprint;
use crate::provider::login::{LoginRequest, LoginSettings, Place, REFRESH_TOKEN, TokenStep, Verdict};
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct Login {
    settings: LoginSettings,
    http: HttpClient,
}

impl Login {
    pub(super) fn new(settings: LoginSettings, http: HttpClient) -> Self {
        Self { settings, http }
    }

    async fn attempt(&self, ask: Ask<'_>, told: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
        let values = Values::new(ask.credentials, self.settings.credentials.as_ref());
        self.run(ask, &mut Session { values, jar: Jar::default(), turn: ask.turn, told }).await
    }

    /// Asks once. What was done is told, also if nothing comes of it.
    async fn run(&self, ask: Ask<'_>, session: &mut Session<'_>) -> Result<Fetched, FetchError> {
        let recipe = &self.settings.recipe;
        if let (Some(refresh), Some(token)) = (&recipe.refresh, ask.refresh_token) {
            session.values.add(REFRESH_TOKEN, token.clone());
            self.token(self.exchange(&ask, Asked::Refresh, &refresh.request), refresh, session).await
        } else {
            for (at, step) in recipe.steps.iter().enumerate() {
                let exchange = self.exchange(&ask, Asked::Step(at + 1), &step.request);
                let answer = self.send(exchange, &step.request, &step.verdict, session).await?;
                for (name, place) in &step.capture {
                    let value = session.demand(exchange, &answer, name, place)?;
                    session.values.capture(name, value, at + 1);
                }
            }
            self.token(self.exchange(&ask, Asked::Login, &recipe.login.request), &recipe.login, session).await
        }
    }

    /// The request that brings the token. A refresh token that comes with an answer of no use is not lost.
    async fn token(
        &self,
        exchange: Exchange<'_>,
        step: &TokenStep,
        session: &mut Session<'_>,
    ) -> Result<Fetched, FetchError> {
        let answer = self.send(exchange, &step.request, &step.verdict, session).await?;
        let refresh_token = step.refresh_token.as_ref().and_then(|place| session.look(&answer, REFRESH_TOKEN, place));
        let rotated = |error: FetchError| FetchError { rotated: refresh_token.clone(), ..error };
        let token = session.demand(exchange, &answer, "token", &step.token).map_err(rotated)?;
        if step.token.is_whole_body() && is_page(token.expose_secret()) {
            let error = exchange.broken(&answer, &format!("with {} in place of the token", answer.kind()));
            return Err(rotated(error.with_next("if the token is a part of it, say which with `after` and `before`")));
        }
        if let Some(what) = unfit_token(token.expose_secret()) {
            return Err(rotated(exchange.broken(&answer, &format!("with {what}"))));
        }
        let expiry = end::expiry(step, &answer, &token);
        let expiry = expiry.map_err(|what| rotated(exchange.broken(&answer, &format!("with {what}"))))?;
        let token_type = step.token_type.as_ref().and_then(|place| answer.find(place));
        let scope = step.scope.as_ref().and_then(|place| answer.find(place));
        Ok(Fetched {
            access_token: token,
            token_type: token_type
                .map_or_else(|| "Bearer".into(), |text| token_response::token_type(text.expose_secret())),
            scope: scope.and_then(|text| token_response::scope_text(text.expose_secret())),
            expiry,
            refresh_in: None,
            refresh_token,
        })
    }

    /// One request and its answer, if that is a good one.
    async fn send(
        &self,
        exchange: Exchange<'_>,
        request: &LoginRequest,
        verdict: &Verdict,
        session: &mut Session<'_>,
    ) -> Result<Answer, FetchError> {
        session.told.push(told::step(exchange.asked, request));
        let mut rendered =
            request::render(request, &session.values).map_err(|unfit| exchange.unfit(unfit, &session.values))?;
        let url = rendered.url.as_url();
        session.jar.add_to(&mut rendered.headers, url);
        let echoes = session.values.echoes(request, session.jar.values(), &rendered.headers, url);
        let method = request::method(request);
        let sent = self.http.send(method, url, rendered.headers, &rendered.body, session.turn).await;
        // What TLS says can name the host, which may have a value in it.
        let sent = sent.map_err(|what| exchange.unanswered(&echoes.line_without(&what, MAX_NETWORK)))?;
        let answer = Answer::new(sent, echoes);
        session.jar.take_from(&answer, url);
        if let Some(step) = session.told.last_mut() {
            step.answer = Some(answer.told());
        }
        match judge(&answer, verdict) {
            Judgement::Good => Ok(answer),
            Judgement::Bad(reason) => Err(exchange.refused(&answer, reason)),
        }
    }

    fn exchange<'a>(&'a self, ask: &Ask<'a>, asked: Asked, request: &'a LoginRequest) -> Exchange<'a> {
        let recipe = &self.settings.recipe;
        let is_alone = recipe.steps.is_empty() && recipe.refresh.is_none();
        Exchange { key: ask.key, host: request.url.host(), asked, is_alone }
    }
}

/// What one attempt knows so far.
struct Session<'a> {
    values: Values<'a>,
    jar: Jar,
    turn: Option<&'a Turn>,
    told: &'a mut Vec<TrialStep>,
}

impl Session<'_> {
    /// What must be there.
    fn demand(
        &mut self,
        exchange: Exchange<'_>,
        answer: &Answer,
        name: &str,
        place: &Place,
    ) -> Result<Secret, FetchError> {
        self.look(answer, name, place).ok_or_else(|| {
            let next = "look at the vendor's documentation for where it stands";
            exchange.broken(answer, &format!("without a {name} at {place}: it is {}", answer.kind())).with_next(next)
        })
    }

    /// What may be there.
    fn look(&mut self, answer: &Answer, name: &str, place: &Place) -> Option<Secret> {
        let found = answer.find(place)?;
        if let Some(step) = self.told.last_mut() {
            step.found.push(format!("{name} at {place}"));
        }
        Some(found)
    }
}

#[async_trait]
impl TokenSource for Login {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        self.attempt(ask, &mut Vec::new()).await
    }

    async fn trial(&self, ask: Ask<'_>, steps: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
        let fetched = self.attempt(ask, steps).await?;
        if let (Some(_), Some(token)) = (&self.settings.recipe.refresh, &fetched.refresh_token) {
            let refreshed = self.attempt(Ask { refresh_token: Some(token), ..ask }, steps).await;
            // It is as new as can be: the recipe is wrong.
            refreshed.map_err(|error| match error.fault {
                Fault::RefreshTokenRefused => FetchError { fault: Fault::Refused, ..error },
                _ => error,
            })?;
        }
        Ok(fetched)
    }

    fn issuer(&self) -> &str {
        self.settings.recipe.login.request.url.host()
    }

    fn fingerprint(&self) -> Fingerprint {
        let recipe = self.settings.recipe.fingerprint();
        let credentials = || self.settings.credentials.iter().flat_map(Credentials::iter);
        let values = || credentials().map(|(name, value)| (name, value.expose_secret()));
        let token = Fingerprint::of([("grant", "login"), ("recipe", recipe.as_str())].into_iter().chain(values()));
        if self.settings.recipe.refresh.is_none() {
            return token;
        }
        // Another password is no other login.
        let login = [("issuer", self.issuer())].into_iter().chain(values().filter(|(name, _)| *name != PASSWORD));
        token.with_login(login)
    }
}

/// Whether a body is a page or a message: many vendors send those with 200 too.
fn is_page(body: &str) -> bool {
    body.starts_with(['<', '{', '[']) || body.contains(char::is_whitespace)
}

const MAX_NETWORK: usize = 300;
