//! The plugins of this program: the only central list.
//!
//! A crate that nothing names is not linked, and its registration with it: hence a line for each.

use plugin_d0 as _;
use plugin_influx as _;
use plugin_mqtt as _;
use plugin_s0 as _;
use plugin_sml as _;
use plugin_thermal as _;
use plugin_volkszaehler as _;
use plugin_vzlogger as _;
use plugin_webhook as _;
