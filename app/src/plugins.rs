//! The plugins of this program: the only central list.
//!
//! The linker drops a crate that nothing names, and its registration with it: so there is a line for each.

use plugin_csv as _;
use plugin_d0 as _;
use plugin_derived as _;
use plugin_exec as _;
use plugin_influx as _;
use plugin_mqtt as _;
use plugin_s0 as _;
use plugin_sml as _;
use plugin_thermal as _;
use plugin_volkszaehler as _;
use plugin_vzlogger as _;
use plugin_webhook as _;
