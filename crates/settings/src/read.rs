//! Reads a command line and its variables, and gathers every mistake in them.
//!
//! clap is asked again and again, each time without the setting that it refused the last time. What is left then is checked as a whole.

use std::any::TypeId;
use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, FromArgMatches};

use crate::{Findings, Settings};

/// More mistakes than this are not gathered.
const MISTAKES_MAX: usize = 64;

/// The reason that there are no settings.
#[derive(Debug)]
pub enum NotUsable {
    /// Clap's own answer: help, the version, or words that it does not understand.
    Words(clap::Error),
    /// Mistakes in settings, a line each.
    Settings(Vec<String>),
}

/// Reads `words`, whose first is the program, as `command` says. Gives what was read, and what is worth a word.
pub fn read<T: FromArgMatches + Settings>(
    command: Command,
    words: &[OsString],
) -> Result<(T, Vec<String>), NotUsable> {
    let mut reader = Reader {
        command,
        words,
        found: Findings::default(),
        is_typed: true,
    };
    reader.leave_out_what_is_not_utf8();
    let matches = reader.matches()?;
    // A setting that was left out may be needed; then there is nothing to check as a whole.
    let read = (reader.is_typed || reader.found.mistakes.is_empty())
        .then(|| T::from_arg_matches(&matches));
    match read {
        Some(Ok(read)) => {
            read.check(&mut reader.found);
            let Findings { mistakes, hints } = reader.found;
            if mistakes.is_empty() {
                Ok((read, hints))
            } else {
                Err(NotUsable::Settings(mistakes))
            }
        }
        Some(Err(error)) if reader.found.mistakes.is_empty() => Err(NotUsable::Words(error)),
        _ => Err(NotUsable::Settings(reader.found.mistakes)),
    }
}

struct Reader<'a> {
    command: Command,
    words: &'a [OsString],
    found: Findings,
    /// True if every value that is left has the type that it is read as.
    is_typed: bool,
}

impl Reader<'_> {
    fn matches(&mut self) -> Result<ArgMatches, NotUsable> {
        for _ in 0..MISTAKES_MAX {
            let mut attempt = self.command.clone();
            match attempt.try_get_matches_from_mut(self.words) {
                Ok(matches) => return Ok(matches),
                Err(error) => self.note(error)?,
            }
        }
        Err(NotUsable::Settings(std::mem::take(
            &mut self.found.mistakes,
        )))
    }

    /// Notes what clap refused, and leaves it out from now on.
    fn note(&mut self, error: clap::Error) -> Result<(), NotUsable> {
        let refused: Vec<String> = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(argument)) => vec![long_of(argument)],
            Some(ContextValue::Strings(arguments)) => {
                arguments.iter().map(|it| long_of(it)).collect()
            }
            _ => Vec::new(),
        };
        let is_setting = matches!(
            error.kind(),
            ErrorKind::ValueValidation
                | ErrorKind::InvalidValue
                | ErrorKind::MissingRequiredArgument
        );
        let known: Vec<(String, Arg)> = refused
            .iter()
            .filter_map(|long| Some((long.clone(), find(&self.command, long)?)))
            .collect();
        if !is_setting || known.is_empty() || known.len() < refused.len() {
            return Err(NotUsable::Words(error));
        }
        for (long, argument) in known {
            self.found.mistakes.push(self.sentence(&error, &argument));
            let is_in_words = self.is_in_words(&long);
            self.is_typed &= !is_in_words;
            self.leave_out(&long, is_in_words);
        }
        Ok(())
    }

    fn sentence(&self, error: &clap::Error, argument: &Arg) -> String {
        let name = self.name(argument);
        if error.kind() == ErrorKind::MissingRequiredArgument {
            let help = argument.get_help().map(ToString::to_string);
            return format!("{name} must be set: {}", help.unwrap_or_default());
        }
        let value = match error.get(ContextKind::InvalidValue) {
            Some(ContextValue::String(value)) if !argument.is_hide_env_values_set() => {
                format!("={}", value.escape_debug())
            }
            _ => String::new(),
        };
        let reason = match (
            std::error::Error::source(error),
            error.get(ContextKind::ValidValue),
        ) {
            (Some(reason), _) => reason.to_string(),
            (None, Some(ContextValue::Strings(valid))) => format!("one of {}", valid.join(", ")),
            _ => "it is not understood".to_owned(),
        };
        format!("{name}{value}: {reason}")
    }

    /// The option, where that was used; else the variable.
    fn name(&self, argument: &Arg) -> String {
        let long = argument.get_long().unwrap_or_default();
        match argument.get_env() {
            Some(variable) if !self.is_in_words(long) => variable.to_string_lossy().into_owned(),
            _ => format!("--{long}"),
        }
    }

    fn is_in_words(&self, long: &str) -> bool {
        let option = format!("--{long}");
        self.words.iter().any(|word| {
            word.to_str().is_some_and(|word| {
                word.strip_prefix(option.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        })
    }

    fn leave_out(&mut self, long: &str, is_in_words: bool) {
        let leave_out = |argument: Arg| {
            if argument.get_long() != Some(long) {
                return argument;
            }
            let is_text = argument.get_value_parser().type_id() == TypeId::of::<String>();
            let is_needed = argument.is_required_set();
            let mut argument = argument.env(None::<&'static str>).required(false);
            if is_in_words {
                argument = argument.value_parser(ValueParser::os_string());
            } else if is_needed && is_text {
                argument = argument
                    .value_parser(ValueParser::string())
                    .default_value("");
            }
            argument
        };
        let command = std::mem::take(&mut self.command);
        self.command = command
            .mut_args(leave_out)
            .mut_subcommands(|subcommand| subcommand.mut_args(leave_out));
    }

    fn leave_out_what_is_not_utf8(&mut self) {
        let longs: Vec<String> = arguments(&self.command)
            .filter(|argument| {
                let value = argument.get_env().and_then(std::env::var_os);
                value.is_some_and(|value| value.to_str().is_none())
            })
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .collect();
        for long in longs {
            let name = find(&self.command, &long).map(|argument| self.name(&argument));
            let Some(name) = name.filter(|name| !name.starts_with('-')) else {
                continue;
            };
            let sentence = format!("{name}: not UTF-8");
            if !self.found.mistakes.contains(&sentence) {
                self.found.mistakes.push(sentence);
                self.leave_out(&long, false);
            }
        }
    }
}

/// Those of the command, then those of its subcommands.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().chain(
        command
            .get_subcommands()
            .flat_map(|subcommand| subcommand.get_arguments()),
    )
}

fn find(command: &Command, long: &str) -> Option<Arg> {
    arguments(command)
        .find(|argument| argument.get_long() == Some(long))
        .cloned()
}

/// `log-level` of `--log-level <LOG_LEVEL>`.
fn long_of(argument: &str) -> String {
    let end = argument.find([' ', '=', '[']).unwrap_or(argument.len());
    argument[..end].trim_start_matches('-').to_owned()
}
