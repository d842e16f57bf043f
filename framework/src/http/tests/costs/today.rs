//! Costs until now, for the source with the costs.

use super::*;

/// A spot price of 0.20 EUR/kWh in each quarter-hour of 1 and 2 November but those that are left out.
fn market(household: &mut Household, left_out: &[i64]) {
    let start = at("2026-11-01T00:00:00Z");
    let quarters = (0..2 * 96).filter(|quarter| !left_out.contains(quarter));
    let prices: Vec<_> =
        quarters.map(|quarter| sample(start + quarter * QUARTER + 5 * SECOND, 200_000)).collect();
    household.store(&named("market", "price", "EUR/MWh"), "", &prices, &[]);
}

fn sum(known: Option<crate::KnownCost>) -> Option<(String, i64)> {
    known.map(|known| (known.money.to_string(), known.gap_minutes))
}

#[tokio::test]
async fn a_sum_of_which_a_part_has_no_price_is_that_of_the_rest_with_the_minutes_that_it_lacks() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\n\
                spot = { source = \"market\", reading = \"price\" }\n";
    let fill = |household: &mut Household| {
        steady(household);
        market(household, &[0, 1, 95]);
    };
    let served = Served::start(fill, tariffs(text)).await;
    let today = |moment: &str| {
        let now = jiff::Timestamp::from_microsecond(at(moment)).unwrap();
        served.costs.today(None, now).unwrap()
    };
    let partial = today("2026-11-02T11:59:00Z");
    // 48 quarter-hours of 0.25 kWh at 0.20; of the day before 93 of 96.
    assert_eq!(sum(partial.cost_today), Some(("2.4".to_owned(), 0)));
    assert_eq!(sum(partial.cost_month), Some(("7.05".to_owned(), 45)), "three quarter-hours have no price");
    served.costs.replace(tariffs(TWO));
    let whole = today("2026-11-02T11:59:00Z");
    assert_eq!(sum(whole.cost_month), Some(("10.8".to_owned(), 0)));
    // No quarter-hour has a price: there is no sum that could be taken for one.
    served.costs.replace(tariffs(&text.replace("\"price\"", "\"prize\"")));
    assert_eq!(sum(today("2026-11-02T11:59:00Z").cost_month), None);
}
