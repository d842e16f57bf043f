//! Description of linked plugins, whatever their role.

use std::fmt;

use crate::{EndpointRegistration, PublisherRegistration, SourceRegistration};

/// Kind of plugin: the table of the configuration that its sections belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `[sources.<name>]`
    Source,
    /// `[publishers.<name>]`
    Publisher,
    /// `[endpoints.<name>]`
    Endpoint,
}

impl Role {
    /// Returns the table's name.
    pub fn table(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Publisher => "publishers",
            Self::Endpoint => "endpoints",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Publisher => "publisher",
            Self::Endpoint => "endpoint",
        })
    }
}

/// Description of a linked plugin.
#[derive(Debug, Clone, Copy)]
pub struct PluginInfo {
    /// Its role.
    pub role: Role,
    /// Its name in `plugin = "…"`.
    pub kind: &'static str,
    /// One line for `smartmeter plugins`.
    pub about: &'static str,
    /// A commented configuration that works.
    pub sample: &'static str,
    /// The keys of its own configuration.
    pub keys: fn() -> &'static [&'static str],
}

/// Returns all linked plugins: sources, publishers, endpoints, each by name.
///
/// # Panics
/// If two linked plugins have the same name.
pub fn plugins() -> Vec<&'static PluginInfo> {
    let sources = SourceRegistration::all().into_iter().map(|plugin| &**plugin);
    let publishers = PublisherRegistration::all().into_iter().map(|plugin| &**plugin);
    let endpoints = EndpointRegistration::all().into_iter().map(|plugin| &**plugin);
    let all: Vec<&PluginInfo> = sources.chain(publishers).chain(endpoints).collect();
    for (n, plugin) in all.iter().enumerate() {
        let twice = all[..n].iter().any(|other| other.kind == plugin.kind);
        assert!(!twice, "two linked plugins are called `{}`", plugin.kind);
    }
    all
}

/// Defines the registration of one kind of plugin: [`PluginInfo`], and the function that builds a `P` from a section.
macro_rules! registration {
    ($(#[$doc:meta])* $name:ident<$P:ident: $plugin:ident>, $role:expr, $build:ident: $function:ty = $of:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name {
            info: $crate::PluginInfo,
            pub(crate) $build: $function,
        }

        impl $name {
            /// Returns the registration of a plugin.
            pub const fn of<$P: $plugin>() -> Self {
                let info = $crate::PluginInfo {
                    role: $role,
                    kind: $P::KIND,
                    about: $P::ABOUT,
                    sample: $P::SAMPLE,
                    keys: $crate::table::keys_of::<$P::Config>,
                };
                Self { info, $build: $of }
            }

            /// Returns all linked ones by name; inventory has them in the order of the linker.
            pub(crate) fn all() -> Vec<&'static Self> {
                let mut all: Vec<_> = inventory::iter::<Self>().collect();
                all.sort_by_key(|plugin| plugin.kind);
                all
            }
        }

        impl std::ops::Deref for $name {
            type Target = $crate::PluginInfo;

            fn deref(&self) -> &$crate::PluginInfo {
                &self.info
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.info.fmt(f)
            }
        }

        inventory::collect!($name);
    };
}
pub(crate) use registration;
