//! The topics, which users and other programs rely on.

/// Builds and reads topics.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    /// What ours begin with.
    pub(crate) prefix: String,
    /// What Home Assistant's begin with.
    pub(crate) discovery: String,
}

impl Topics {
    /// `online` while the program is connected.
    pub(crate) fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// What a section reads now.
    pub(crate) fn state(&self, section: &str) -> String {
        format!("{}/{section}/state", self.prefix)
    }

    /// What a section read while the broker was away.
    pub(crate) fn history(&self, section: &str) -> String {
        format!("{}/{section}/history", self.prefix)
    }

    /// `online` while a section's device delivers.
    pub(crate) fn availability(&self, section: &str) -> String {
        format!("{}/{section}/availability", self.prefix)
    }

    /// Where a command of a section is given.
    pub(crate) fn command(&self, section: &str, command: &str) -> String {
        format!("{}/{section}/command/{command}", self.prefix)
    }

    /// All commands.
    pub(crate) fn commands(&self) -> String {
        self.command("+", "+")
    }

    /// Section and command, where `topic` is that of a command.
    pub(crate) fn read_command<'t>(&self, topic: &'t str) -> Option<(&'t str, &'t str)> {
        let rest = topic.strip_prefix(self.prefix.as_str())?.strip_prefix('/')?;
        let (section, command) = rest.split_once("/command/")?;
        (!section.contains('/') && !command.contains('/')).then_some((section, command))
    }

    /// Where Home Assistant says `online` when it was started.
    pub(crate) fn birth(&self) -> String {
        format!("{}/status", self.discovery)
    }

    /// Where a device is announced.
    pub(crate) fn device(&self, object: &str) -> String {
        format!("{}/device/{object}/config", self.discovery)
    }

    /// Where an entity is announced, on a platform such as `sensor`.
    pub(crate) fn entity(&self, platform: &str, node: &str, object: &str) -> String {
        format!("{}/{platform}/{node}/{object}/config", self.discovery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_is_written() {
        let topics = Topics { prefix: "home/cellar".into(), discovery: "homeassistant".into() };
        let topic = topics.command("s0", "reset_s0");
        assert_eq!(topic, "home/cellar/s0/command/reset_s0");
        assert_eq!(topics.read_command(&topic), Some(("s0", "reset_s0")));
        for other in
            ["home/cellar/s0/state", "home/s0/command/x", "home/cellar/a/b/command/x", "", "home/cellar"]
        {
            assert_eq!(topics.read_command(other), None, "{other}");
        }
    }
}
