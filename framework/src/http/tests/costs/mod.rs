//! Costs, bills, forecast and tariffs, by a household's journal.

mod bills;
mod forecast;
mod periods;
mod tariffs;
mod today;

use std::sync::Arc;

use super::*;
use crate::{
    Costs, Tariffs,
    journal::{
        SECOND,
        testing::{Household, at, named, sample},
    },
};

const QUARTER: i64 = 900 * SECOND;

/// Numbers in thousandths just before each quarter-hour: `amounts` are what is counted in each.
fn counted(from: i64, start: i64, amounts: impl IntoIterator<Item = i64>) -> Vec<crate::journal::Sample> {
    let mut number = start;
    let mut time = from - SECOND;
    let mut samples = vec![sample(time, number)];
    for amount in amounts {
        (time, number) = (time + QUARTER, number + amount);
        samples.push(sample(time, number));
    }
    samples
}

/// The tariffs of a configuration with sources `grid`, `market`, `heat_pump` and `gas`.
fn tariffs(text: &str) -> Arc<Tariffs> {
    let sources =
        ["grid", "market", "heat_pump", "gas"].map(|name| format!("[sources.{name}]\nplugin = \"greedy\"\n"));
    let text = format!("{}{text}", sources.concat());
    Config::parse("config.toml", &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}")).tariffs
}

/// A server with a journal and tariffs.
struct Served {
    program: Running,
    costs: Arc<Costs>,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn start(fill: impl FnOnce(&mut Household), tariffs: Arc<Tariffs>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut household = Household::at(&path);
        fill(&mut household);
        let setup = Setup { journal: household.open(&path), ..Setup::default() };
        let api = setup.api();
        let costs = api.costs();
        costs.replace(tariffs);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let served = tokio::spawn(serve(listener, api, stop.clone()));
        Self { program: Running { store: setup.store, address, stop, served }, costs, _folder: folder }
    }

    /// Returns a column of an answer as text, so that every digit counts.
    async fn column(&self, path: &str, name: &str) -> String {
        let answer = self.program.get(path).await;
        let start =
            answer.body.find(&format!("\"{name}\":[")).unwrap_or_else(|| panic!("{name}: {}", answer.body));
        let column = &answer.body[start + name.len() + 3..];
        column[..=column.find(']').unwrap()].to_owned()
    }
}

/// 0.25 kWh each quarter-hour from 1 to 4 November 2026.
fn steady(household: &mut Household) {
    let samples = counted(at("2026-11-01T00:00:00Z"), 1_000_000, std::iter::repeat_n(250, 4 * 96));
    household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
}

const TWO: &str = r#"
[[tariffs]]
name = "old"
source = "grid"
from = "2026-01-01"
vat = 19
work_price = 0.3000
base_price_per_month = 12.00
feed_in_price = 0.0803
instalment_per_month = 80

[[tariffs]]
name = "new"
source = "grid"
from = 2026-11-03
vat = 19
work_price = 0.2500
windows = [{ name = "HT", price = 0.3200, hours = "06:00-22:00" }]
"#;
