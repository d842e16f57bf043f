//! Texts of the login form, which works without a script: so they are here, and not in the page's files.

use warp::http::{HeaderMap, header};

/// Texts in one language. They may have markup.
pub(super) struct Texts {
    pub(super) language: &'static str,
    pub(super) token: &'static str,
    pub(super) hint: &'static str,
    pub(super) submit: &'static str,
    pub(super) wrong: &'static str,
    pub(super) too_many: &'static str,
    pub(super) no_cookie: &'static str,
}

/// The languages of the page; the first one is for everybody else.
const LANGUAGES: [Texts; 4] = [
    Texts {
        language: "en",
        token: "Token",
        hint: "<code>sudo smartmeter token</code> on the machine shows it.",
        submit: "Log in",
        wrong: "The token is wrong.",
        too_many: "Too many wrong tokens. Wait a minute.",
        no_cookie: "The browser has kept no cookie. It keeps none in a frame of another site: open this page by itself.",
    },
    Texts {
        language: "de",
        token: "Token",
        hint: "<code>sudo smartmeter token</code> auf dem Gerät zeigt es an.",
        submit: "Anmelden",
        wrong: "Das Token ist falsch.",
        too_many: "Zu viele falsche Token. Warten Sie eine Minute.",
        no_cookie: "Der Browser hat kein Cookie behalten. Im Rahmen einer fremden Seite behält er keines: Öffnen Sie diese \
                    Seite für sich.",
    },
    Texts {
        language: "fr",
        token: "Jeton",
        hint: "<code>sudo smartmeter token</code> sur l’appareil l’affiche.",
        submit: "Se connecter",
        wrong: "Le jeton est incorrect.",
        too_many: "Trop de jetons incorrects. Attendez une minute.",
        no_cookie: "Le navigateur n’a gardé aucun cookie. Il n’en garde pas dans le cadre d’un autre site\u{a0}: ouvrez \
                    cette page directement.",
    },
    Texts {
        language: "nl",
        token: "Token",
        hint: "<code>sudo smartmeter token</code> op het apparaat toont het.",
        submit: "Inloggen",
        wrong: "Het token is onjuist.",
        too_many: "Te veel onjuiste tokens. Wacht een minuut.",
        no_cookie: "De browser heeft geen cookie bewaard. In een frame van een andere site bewaart hij er geen: open \
                    deze pagina apart.",
    },
];

/// Returns the texts in the first known language of `Accept-Language`: browsers list them in order.
pub(super) fn preferred(headers: &HeaderMap) -> &'static Texts {
    let list = headers.get(header::ACCEPT_LANGUAGE).and_then(|list| list.to_str().ok()).unwrap_or_default();
    let mut tags = list.split(',').map(|tag| tag.split(['-', ';']).next().unwrap_or_default().trim());
    let known = tags.find_map(|tag| LANGUAGES.iter().find(|it| it.language.eq_ignore_ascii_case(tag)));
    known.unwrap_or(&LANGUAGES[0])
}
