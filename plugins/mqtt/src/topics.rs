//! Topics, on which users and other programs rely.

/// Builds and parses topics.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    /// Beginning of the plugin's own topics.
    pub(crate) prefix: String,
    /// Beginning of Home Assistant's topics.
    pub(crate) discovery: String,
}

impl Topics {
    /// Topic that has `online` while the program is connected.
    pub(crate) fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// Topic of a source's current readings.
    pub(crate) fn state(&self, section: &str) -> String {
        format!("{}/{section}/state", self.prefix)
    }

    /// Topic of a source's late readings.
    pub(crate) fn history(&self, section: &str) -> String {
        format!("{}/{section}/history", self.prefix)
    }

    /// Topic that has `online` while a source delivers.
    pub(crate) fn availability(&self, section: &str) -> String {
        format!("{}/{section}/availability", self.prefix)
    }

    /// Topic of a source's command.
    pub(crate) fn command(&self, section: &str, command: &str) -> String {
        format!("{}/{section}/command/{command}", self.prefix)
    }

    /// Filter for all commands.
    pub(crate) fn commands(&self) -> String {
        self.command("+", "+")
    }

    /// Parses source and command from the topic of a command.
    pub(crate) fn read_command<'t>(&self, topic: &'t str) -> Option<(&'t str, &'t str)> {
        let rest = topic.strip_prefix(self.prefix.as_str())?.strip_prefix('/')?;
        let (section, command) = rest.split_once("/command/")?;
        (!section.contains('/') && !command.contains('/')).then_some((section, command))
    }

    /// Topic on which Home Assistant sends `online` after its start.
    pub(crate) fn birth(&self) -> String {
        format!("{}/status", self.discovery)
    }

    /// Topic of a device's announcement.
    pub(crate) fn device(&self, object: &str) -> String {
        format!("{}/device/{object}/config", self.discovery)
    }

    /// Topic of an entity's announcement, on a platform such as `sensor`.
    pub(crate) fn entity(&self, platform: &str, node: &str, object: &str) -> String {
        format!("{}/{platform}/{node}/{object}/config", self.discovery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_of_a_command_is_parsed() {
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
