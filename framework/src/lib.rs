//! Data acquisition with plugins, in the style of the Python library raspend.
//!
//! | plugin | task | implement | register |
//! |---|---|---|---|
//! | source | reads a kind of device into **batches** of **readings** | [`SourcePlugin`], [`DataAcquisition`], [`Command`] | [`register_source!`] |
//! | publisher | delivers batches, or hours of the journal, to a kind of server | [`PublisherPlugin`], [`Publisher`] or [`HistoryPublisher`] | [`register_publisher!`] |
//! | endpoint | serves the newest readings to a kind of client | [`EndpointPlugin`], [`Endpoint`] | [`register_endpoint!`] |
//!
//! The framework does the rest. It checks [`Config`] completely before any device is opened. [`Service`] runs each
//! source under a supervisor that reopens its device after faults, records its batches in the [`journal`], keeps the
//! newest in the [`Store`], and serves them over HTTP.
//!
//! `docs/writing-a-plugin.md` builds a whole plugin; `framework::testing` checks its contract.

mod any_publisher;
mod backoff;
mod balance;
mod command;
mod commands;
mod config;
mod context;
mod costs;
mod endpoint;
mod fault_code;
mod faults;
mod history_publisher;
#[doc(hidden)]
pub mod http;
mod inputs;
mod insights;
mod labels;
mod lan;
mod latest;
mod listed;
mod nightly;
mod one_line;
mod panic;
mod period;
mod plugin;
mod problems;
mod publish;
mod publisher;
mod roles;
mod roster;
mod scheduler;
mod service;
mod serving;
mod setup;
mod source;
mod stated_units;
mod status;
mod store;
mod table;
#[doc(hidden)]
pub mod testing;
mod time_of_day;
#[cfg_attr(not(feature = "tls"), path = "tls/off.rs")]
mod tls;
mod unsure;

pub use ::backup;
pub use ::journal::{self, Record};
pub use async_trait::async_trait;
pub use futures_util::stream;
pub use reading::{
    Batch, Decimal, DeviceTime, Direction, Factor, Kind, Meaning, Medium, Obis, Phase, Quantity, Reading,
    SPELLINGS, Scaled, Text, Timestamp, Unit, Value, json, spreadsheet,
};

pub use crate::{
    any_publisher::{AnyPublisher, PublisherKind},
    backoff::Backoff,
    balance::{Household, Powers, SharesToday},
    command::{Arg, ArgKind, ArgValue, Args, Command, CommandError, CommandSpec},
    commands::{Commands, InstalledCommand, ResolveError},
    config::{
        BackupConfig, Config, ConfigFiles, ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource, DropIn,
        ENDPOINT_KEYS, JournalConfig, Network, NotANetwork, Outline, Outlined, PUBLISHER_KEYS, SOURCE_KEYS,
        Secret, ServerConfig, Setting, SourceRole, TlsFiles, is_name, listen_address,
    },
    context::{Context, Counter, Fact, SourceContext, Stats},
    costs::{Costs, CostsToday, KnownCost, Tariffs},
    endpoint::{Endpoint, EndpointContext, EndpointPlugin, Updates},
    fault_code::FaultCode,
    faults::Faults,
    history_publisher::HistoryPublisher,
    inputs::{CounterStep, Input},
    labels::{Label, Labels},
    lan::page_addresses,
    panic::log_panics,
    period::Period,
    plugin::{NoConfig, PluginInfo, Role, plugins},
    publish::{
        Route,
        history::{
            Figure, Figures, Hour, HourRows, HourSeries, Hours, Progress, Republication, RepublishError,
            Scope, Update,
        },
    },
    publisher::{Batching, PublishError, Publisher, PublisherContext, PublisherPlugin},
    roles::KnownRole,
    scheduler::{Cron, Schedule, with_causes},
    service::{Changes, Control, KeptFile, ReloadError, Service, listen},
    setup::{
        Devices, DropInError, DropIns, LineInfo, PortInfo, ProbeEvent, ProbedReading, SaveError, Saved,
        Setup, TOKEN_FILE, test_connection,
    },
    source::{AcquireError, DataAcquisition, Mode, Source, SourcePlugin},
    stated_units::StatedUnits,
    store::{Section, Snapshot, State, Store, View},
    table::{ConfigError, ConfigString, Diagnostics, Mistake, MistakeCode, Place},
    time_of_day::TimeOfDay,
};

/// Number of log lines that could not be written, for `/health` and `/metrics`. Who writes the log counts them.
pub static LOG_LINES_DROPPED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

// For the test that crosses units with consumers.
#[doc(hidden)]
pub use crate::publish::has_mean;
// For the macros below.
#[doc(hidden)]
pub use inventory;

/// Registers a [`SourcePlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_source {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::PluginInfo::source::<$plugin>() }
    };
}

/// Registers a [`PublisherPlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_publisher {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::PluginInfo::publisher::<$plugin>() }
    };
}

/// Registers an [`EndpointPlugin`], so that a program that links its crate finds it by name.
#[macro_export]
macro_rules! register_endpoint {
    ($plugin:ty) => {
        $crate::inventory::submit! { $crate::PluginInfo::endpoint::<$plugin>() }
    };
}
