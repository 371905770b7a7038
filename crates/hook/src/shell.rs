//! Walks through a command line in the order in which a shell would, and looks at each program that would start.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use brush_parser::ast::{
    AndOr, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand, CompoundList,
    ExtendedTestExpr, FunctionBody, Pipeline, SimpleCommand,
};
use brush_parser::{Parser, ParserOptions};

use super::credentials;
use super::mentions;
use super::scope::{Input, Scope};
use super::surroundings::Surroundings;
use super::values::Value;
use super::verdict::Verdict;

/// How deep commands within commands are followed.
const MAX_DEPTH: usize = 12;
/// Most programs that are looked at, those within others among them.
const MAX_STEPS: usize = 20_000;
/// Words that take about as long as a program.
const WORDS_OF_A_STEP: usize = 4;
/// Longest command line.
const MAX_LENGTH: usize = 256 << 10;
/// Most brackets that may be open at once: the parser goes as deep as they do.
const MAX_BRACKETS: usize = 40;

/// Looks at everything that a command line would start.
pub(crate) struct Judge<'a> {
    /// What it depends on.
    pub here: &'a Surroundings<'a>,
    /// What was found so far.
    pub verdict: Verdict,
    /// Files that the command line itself writes: what they will hold is not known.
    pub written: Vec<PathBuf>,
    /// How many programs were looked at.
    steps: Rc<Cell<usize>>,
}

/// Judges a command line.
pub(crate) fn judge(text: &str, here: &Surroundings<'_>) -> Verdict {
    let mut judge = Judge { here, verdict: Verdict::Harmless, written: Vec::new(), steps: Rc::default() };
    let mut scope = Scope::new(here);
    judge.text(text, &mut scope);
    judge.verdict
}

impl<'a> Judge<'a> {
    /// One for a text that this command line runs, with findings of its own.
    pub(crate) fn below(&self) -> Judge<'a> {
        Judge {
            here: self.here,
            verdict: Verdict::Harmless,
            written: self.written.clone(),
            steps: Rc::clone(&self.steps),
        }
    }

    /// Counts a program with this many words; answers whether that is enough. Each of `sudo sudo sudo …` is a program
    /// with all words after it.
    pub(crate) fn is_too_much(&mut self, words: usize) -> bool {
        self.steps.set(self.steps.get() + 1 + words / WORDS_OF_A_STEP);
        let is_too_much = self.steps.get() > MAX_STEPS;
        if is_too_much {
            self.find(Verdict::unclear("This command starts more than can be looked at."));
        }
        is_too_much
    }

    /// Takes a finding.
    pub(crate) fn find(&mut self, verdict: Verdict) {
        self.verdict = std::mem::replace(&mut self.verdict, Verdict::Harmless).and(verdict);
    }

    /// A command line, or a part of one, in the scope of this shell.
    pub(crate) fn text(&mut self, text: &str, scope: &mut Scope) {
        if scope.depth >= MAX_DEPTH || text.len() > MAX_LENGTH || nesting(text) > MAX_BRACKETS {
            return self.find(Verdict::unclear("This command is longer or more nested than can be looked at."));
        }
        // Some shells leave it out, some end there.
        if text.contains('\0') {
            return self.find(Verdict::unclear("There is a NUL character in this command."));
        }
        let mut parser = Parser::new(std::io::Cursor::new(text.as_bytes()), &ParserOptions::default());
        let Ok(program) = parser.parse_program() else {
            let what = match mentions::of_command(text) {
                Some(what) => format!("This command mentions {what}, and it is not one that a shell would understand."),
                None => "This command is not one that a shell would understand.".to_owned(),
            };
            return self.find(Verdict::unclear(what));
        };
        scope.depth += 1;
        for list in &program.complete_commands {
            self.list(list, scope);
        }
        scope.depth -= 1;
    }

    /// A command line in a shell of its own.
    pub(crate) fn subshell(&mut self, text: &str, scope: &Scope) {
        self.text(text, &mut scope.clone());
    }

    /// Commands in their order.
    pub(crate) fn list(&mut self, list: &CompoundList, scope: &mut Scope) {
        for item in &list.0 {
            self.pipeline(&item.0.first, scope);
            for next in &item.0.additional {
                let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
                self.pipeline(pipeline, scope);
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, scope: &mut Scope) {
        if let [one] = pipeline.seq.as_slice() {
            return self.command(one, scope, scope.input.clone(), scope.piped);
        }
        for (index, command) in pipeline.seq.iter().enumerate() {
            let input = if index == 0 { scope.input.clone() } else { Input::Stream };
            self.command(command, &mut scope.clone(), input, scope.piped || index + 1 < pipeline.seq.len());
        }
    }

    fn command(&mut self, command: &Command, scope: &mut Scope, input: Input, piped: bool) {
        match command {
            Command::Simple(simple) => self.simple(simple, scope, input, piped),
            Command::Compound(compound, redirects) => {
                let input = self.redirects(redirects.iter().flat_map(|list| &list.0), scope, input);
                let before = (std::mem::replace(&mut scope.input, input), std::mem::replace(&mut scope.piped, piped));
                self.compound(compound, scope);
                (scope.input, scope.piped) = before;
            }
            Command::Function(function) => {
                // At its definition as well, because nobody sees every way to call it.
                self.body(&function.body, &mut scope.clone());
                let name = self.expand(&function.fname.value, scope).iter().map(Value::shown).collect::<String>();
                scope.functions.insert(name, function.body.clone());
            }
            Command::ExtendedTest(test, redirects) => {
                self.redirects(redirects.iter().flat_map(|list| &list.0), scope, input);
                self.test(&test.expr, scope);
            }
        }
    }

    fn body(&mut self, body: &FunctionBody, scope: &mut Scope) {
        if scope.depth >= MAX_DEPTH {
            return self.find(Verdict::unclear("These functions call each other deeper than can be looked at."));
        }
        scope.depth += 1;
        let input = self.redirects(body.1.iter().flat_map(|list| &list.0), scope, scope.input.clone());
        let before = std::mem::replace(&mut scope.input, input);
        self.compound(&body.0, scope);
        scope.input = before;
        scope.depth -= 1;
    }

    /// Whether a function has this name; if so, what it does was looked at with the variables as they are now.
    pub(crate) fn function(&mut self, name: &str, scope: &mut Scope) -> bool {
        let Some(body) = scope.functions.get(name).cloned() else { return false };
        self.body(&body, scope);
        true
    }

    fn compound(&mut self, compound: &CompoundCommand, scope: &mut Scope) {
        match compound {
            CompoundCommand::Coprocess(process) => self.command(&process.body, &mut scope.clone(), Input::Stream, true),
            CompoundCommand::Arithmetic(arithmetic) => self.arithmetic(&arithmetic.expr.value, scope),
            CompoundCommand::ArithmeticForClause(clause) => {
                for part in [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten() {
                    self.arithmetic(&part.value, scope);
                }
                self.twice(&clause.body.list, scope);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list, scope),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list, &mut scope.clone()),
            CompoundCommand::ForClause(clause) => {
                let values: Vec<Value> =
                    clause.values.iter().flatten().flat_map(|value| self.expand(&value.value, scope)).collect();
                for value in &values {
                    self.find(credentials::argument(value, scope, self.here));
                }
                self.copies(&values);
                self.assign(&clause.variable_name, scope, None);
                scope.variables.insert(
                    clause.variable_name.clone(),
                    if let [one] = values.as_slice() { one.text().filter(|_| !one.glob) } else { None },
                );
                self.twice(&clause.body.list, scope);
            }
            CompoundCommand::CaseClause(clause) => {
                self.expand(&clause.value.value, scope);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.expand(&pattern.value, scope);
                    }
                    if let Some(list) = &case.cmd {
                        self.list(list, scope);
                    }
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition, scope);
                self.list(&clause.then, scope);
                for branch in clause.elses.iter().flatten() {
                    if let Some(condition) = &branch.condition {
                        self.list(condition, scope);
                    }
                    self.list(&branch.body, scope);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0, scope);
                self.twice(&clause.1.list, scope);
                self.list(&clause.0, scope);
            }
        }
    }

    /// A loop: what its first round sets is there in the second.
    fn twice(&mut self, list: &CompoundList, scope: &mut Scope) {
        if scope.depth >= MAX_DEPTH {
            return self.find(Verdict::unclear("This command is more nested than can be looked at."));
        }
        scope.depth += 2;
        self.list(list, scope);
        self.list(list, scope);
        scope.depth -= 2;
    }

    fn test(&mut self, test: &ExtendedTestExpr, scope: &mut Scope) {
        match test {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.test(left, scope);
                self.test(right, scope);
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => self.test(inner, scope),
            ExtendedTestExpr::UnaryTest(_, word) => {
                let values = self.expand(&word.value, scope);
                self.indices(&values, scope);
            }
            ExtendedTestExpr::BinaryTest(_, left, right) => {
                let values = [self.expand(&left.value, scope), self.expand(&right.value, scope)].concat();
                self.indices(&values, scope);
            }
        }
    }

    fn simple(&mut self, command: &SimpleCommand, scope: &mut Scope, input: Input, piped: bool) {
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        // Assignments in front of a program hold for that program alone.
        let mut own = scope.clone();
        let place = if command.word_or_name.is_some() { &mut own } else { &mut *scope };
        let mut words = Vec::new();
        let mut redirects = Vec::new();
        for item in prefix {
            match item {
                Item::AssignmentWord(assignment, _) => {
                    let (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _)) =
                        &assignment.name;
                    if let AssignmentName::ArrayElementName(_, index) = &assignment.name {
                        self.arithmetic(index, place);
                    }
                    let value = self
                        .assigned(&assignment.value, place)
                        .filter(|_| !assignment.append && matches!(assignment.name, AssignmentName::VariableName(_)));
                    self.assign(name, place, value.as_deref());
                    place.set(name, value);
                }
                Item::IoRedirect(redirect) => redirects.push(redirect),
                Item::Word(word) => words.extend(self.expand(&word.value, place)),
                Item::ProcessSubstitution(_, inner) => self.list(&inner.list, &mut place.clone()),
            }
        }
        if let Some(name) = &command.word_or_name {
            words.extend(self.expand(&name.value, scope));
        }
        for item in suffix {
            match item {
                Item::Word(word) => words.extend(self.expand(&word.value, scope)),
                Item::AssignmentWord(assignment, word) => {
                    if let AssignmentValue::Array(values) = &assignment.value {
                        for (_, value) in values {
                            let values = self.expand(&value.value, scope);
                            self.copies(&values);
                        }
                        let (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _)) =
                            &assignment.name;
                        words.push(Value::known(format!("{name}=")));
                    } else {
                        words.extend(self.expand(&word.value, scope));
                    }
                }
                Item::IoRedirect(redirect) => redirects.push(redirect),
                Item::ProcessSubstitution(_, inner) => {
                    self.list(&inner.list, &mut scope.clone());
                    words.push(Value { many: false, ..Value::unknown() });
                }
            }
        }
        let input = self.redirects(redirects.into_iter(), scope, input);
        if words.is_empty() {
            return;
        }
        // What the program itself sets stays: cd, export, read, a function.
        own.input = input.clone();
        own.piped = piped;
        let before = own.variables.clone();
        self.program(words, &mut own, &input, piped);
        scope.cwd = own.cwd;
        scope.functions = own.functions;
        for (name, value) in own.variables {
            if before.get(&name) != Some(&value) {
                scope.set(&name, value);
            }
        }
    }
}

fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0usize);
    for character in text.chars() {
        match character {
            '(' | '{' => open += 1,
            ')' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
