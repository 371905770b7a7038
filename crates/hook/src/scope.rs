//! What a shell knows at a point of a command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use brush_parser::ast::FunctionBody;

use super::surroundings::{Surroundings, tidied};

/// What a program reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// What the agent's shell reads, which is nothing.
    Inherited,
    /// What another program writes, or a file that is not known.
    Stream,
    /// This text.
    Text(String),
    /// This file.
    File(PathBuf),
}

/// What a shell knows at a point of the command line.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Variables that were set here; `None` when the value is not known.
    pub variables: BTreeMap<String, Option<String>>,
    /// The working folder, when it is known.
    pub cwd: Option<PathBuf>,
    /// Whether the run's variables still stand, as far as the surroundings have them.
    pub cleared: bool,
    /// Whether `dryrun exec` stands in front, which brings the variables of a run with it.
    pub within_exec: bool,
    /// What programs read unless something else is said.
    pub input: Input,
    /// Whether another program reads what programs write here.
    pub piped: bool,
    /// Functions that were defined here.
    pub functions: BTreeMap<String, FunctionBody>,
    /// Whether words are divided at something else than blanks.
    pub divided_otherwise: bool,
    /// How deep commands within commands are here.
    pub depth: usize,
}

impl Scope {
    /// The start of a command line.
    pub(crate) fn new(here: &Surroundings<'_>) -> Self {
        Self {
            variables: BTreeMap::new(),
            cwd: Some(here.cwd.clone()),
            cleared: false,
            within_exec: false,
            input: Input::Inherited,
            piped: false,
            functions: BTreeMap::new(),
            divided_otherwise: false,
            depth: 0,
        }
    }

    /// A path as this place understands it.
    pub(crate) fn path(&self, text: &str) -> Option<PathBuf> {
        if text.starts_with('/') {
            Some(tidied(text.as_ref()))
        } else {
            self.cwd.as_ref().map(|cwd| tidied(&cwd.join(text)))
        }
    }

    /// A variable gets a value.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        self.divided_otherwise |= name == "IFS";
        // Which of two assignments counts can depend on what happens meanwhile.
        let value = match self.variables.get(name) {
            Some(before) if *before != value => None,
            _ => value,
        };
        self.variables.insert(name.to_owned(), value);
    }
}
