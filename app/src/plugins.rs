//! The plugins of this program: the only central list.
//!
//! The linker drops a crate that nothing names, and its registration with it: so there is a line for each.

/// Links each plugin whose feature is on.
macro_rules! link {
    ($($feature:literal => $plugin:ident,)*) => { $(#[cfg(feature = $feature)] use $plugin as _;)* };
}

link! {
    "balance" => plugin_balance,
    "cost" => plugin_cost,
    "csv" => plugin_csv,
    "d0" => plugin_d0,
    "derived" => plugin_derived,
    "dlms" => plugin_dlms,
    "exec" => plugin_exec,
    "homeassistant" => plugin_homeassistant,
    "influx" => plugin_influx,
    "mbus" => plugin_mbus,
    "mqtt" => plugin_mqtt,
    "s0" => plugin_s0,
    "sml" => plugin_sml,
    "thermal" => plugin_thermal,
    "tic" => plugin_tic,
    "volkszaehler" => plugin_volkszaehler,
    "vzlogger" => plugin_vzlogger,
    "webhook" => plugin_webhook,
    "wmbus" => plugin_wmbus,
}
