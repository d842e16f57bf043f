//! Data acquisition with plugins, in the style of the Python library raspend.
//!
//! A **plugin** turns a kind of device into **batches** of **readings**:
//!
//! 1. implement [`DataAcquisition`] (and [`Command`], if clients may ask something of the device);
//! 2. implement [`Plugin`], which makes them from the plugin's own configuration type;
//! 3. say [`register!`] with it, and name the crate in the program.
//!
//! A **publisher** brings what was read to a far end: implement [`Publisher`] and [`PublisherPlugin`], and say
//! [`register_publisher!`].
//!
//! The framework does the rest: it checks [`Config`], runs each instance under a supervisor that
//! reopens it after faults, keeps the newest batch in the [`Store`], and serves it over [`http`].
//! `docs/writing-a-plugin.md` builds a whole plugin; [`testing`] checks it.

mod acquisition;
mod command;
mod commands;
mod config;
mod context;
mod error;
mod faults;
pub mod http;
mod plugin;
pub mod publish;
mod publisher;
mod schedule;
mod service;
pub mod store;
mod supervisor;
pub mod testing;
mod vitals;
mod worker;

pub use ::journal::{self, Record};
pub use async_trait::async_trait;
pub use reading::{Batch, Decimal, DeviceTime, Obis, Reading, Text, Timestamp, Value, json};

pub use crate::{
    acquisition::{AcquireError, DataAcquisition},
    command::{ArgKind, ArgSpec, Args, Command, CommandError, CommandSpec},
    commands::{Commands, Entry, Unresolved},
    config::{
        Config, ConfiguredPublisher, ConfiguredSource, Diagnostic, Diagnostics, INSTANCE_KEYS, JournalConfig,
        Override, PUBLISHER_KEYS, Secret, Server, VzloggerConfig,
    },
    context::{Context, Counter, Fact, Stats},
    error::ConfigError,
    faults::Faults,
    plugin::{Instance, Plugin, Registration, plugin, plugins},
    publisher::{
        Batching, House, PublishError, Publisher, PublisherPlugin, PublisherRegistration, publisher,
        publishers,
    },
    schedule::{Pace, Period, Schedule},
    service::run,
    store::Store,
};

#[doc(hidden)]
pub use inventory;

/// Registers a [`Plugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::Registration::of::<$plugin>() }
    };
}

/// Registers a [`PublisherPlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_publisher {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::PublisherRegistration::of::<$plugin>() }
    };
}
