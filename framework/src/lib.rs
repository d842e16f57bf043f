//! Data acquisition with plugins, in the style of the Python library raspend.
//!
//! A **plugin** turns a kind of device into **batches** of **readings**:
//!
//! 1. implement [`DataAcquisition`] (and [`Command`], if clients may ask something of the device);
//! 2. implement [`SourcePlugin`], which makes them from the plugin's own configuration type;
//! 3. say [`register_source!`] with it, and name the crate in the program.
//!
//! A **publisher** brings what was read to a far end: implement [`Publisher`] and [`PublisherPlugin`], and say
//! [`register_publisher!`].
//!
//! The framework does the rest: it checks [`Config`], runs each instance under a supervisor that
//! reopens it after faults, keeps the newest batch in the [`Store`], and serves it over [`http`].
//! `docs/writing-a-plugin.md` builds a whole plugin; [`testing`] checks it.

mod backoff;
mod command;
mod commands;
mod config;
mod context;
mod endpoint;
mod faults;
pub mod http;
mod panic;
mod period;
mod plugin;
pub mod publish;
mod publisher;
mod registry;
mod scheduler;
mod section;
mod service;
mod serving;
mod source;
mod status;
pub mod store;
pub mod testing;

pub use ::journal::{self, Record};
pub use async_trait::async_trait;
pub use reading::{
    Batch, Decimal, DeviceTime, Direction, Factor, Kind, Meaning, Medium, Obis, Phase, Quantity, Reading,
    SPELLINGS, Scaled, Text, Timestamp, Unit, Value, json,
};

pub use crate::{
    backoff::Backoff,
    command::{ArgKind, ArgSpec, Args, Command, CommandError, CommandSpec},
    commands::{Commands, InstalledCommand, ResolveError},
    config::{
        Config, ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource, ENDPOINT_KEYS, JournalConfig,
        PUBLISHER_KEYS, SOURCE_KEYS, Secret, ServerConfig, Setting, listen_address,
    },
    context::{Context, Counter, Fact, SourceContext, Stats},
    endpoint::{Endpoint, EndpointContext, EndpointPlugin, EndpointRegistration, Updates, endpoint_plugins},
    faults::Faults,
    period::Period,
    plugin::{PluginInfo, Role},
    publisher::{
        Batching, PublishError, Publisher, PublisherContext, PublisherPlugin, PublisherRegistration,
        publisher_plugins,
    },
    registry::plugins,
    scheduler::Schedule,
    section::{ConfigError, Diagnostic, Diagnostics},
    service::{Service, listen},
    serving::EndpointStatus,
    source::{AcquireError, DataAcquisition, Mode, Source, SourcePlugin, SourceRegistration, source_plugins},
    store::Store,
};

#[doc(hidden)]
pub use inventory;

/// Registers a [`SourcePlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_source {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::SourceRegistration::of::<$plugin>() }
    };
}

/// Registers a [`PublisherPlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_publisher {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::PublisherRegistration::of::<$plugin>() }
    };
}

/// Registers an [`EndpointPlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_endpoint {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::EndpointRegistration::of::<$plugin>() }
    };
}
