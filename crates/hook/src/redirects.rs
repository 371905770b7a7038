//! Where a command line reads from and writes to.

use brush_parser::ParserOptions;
use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};
use brush_parser::word;

use super::credentials;
use super::network::{self, Leads};
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::values::Value;
use super::verdict::Verdict;

impl Judge<'_> {
    /// What programs read and write instead of what they would.
    pub(crate) fn redirects<'r>(
        &mut self,
        redirects: impl Iterator<Item = &'r IoRedirect>,
        scope: &mut Scope,
        mut input: Input,
    ) -> Input {
        for redirect in redirects {
            match redirect {
                IoRedirect::File(_, kind, IoFileRedirectTarget::Filename(word)) => {
                    let reads = matches!(kind, IoFileRedirectKind::Read | IoFileRedirectKind::ReadAndWrite);
                    for value in self.expand(&word.value, scope) {
                        if reads {
                            self.find(credentials::argument(&value, scope, self.here));
                            if let Some(path) = value.text().and_then(|text| scope.path(&text)) {
                                self.device(&path);
                            }
                            input = value
                                .text()
                                .filter(|_| !value.glob)
                                .and_then(|text| scope.path(&text))
                                .map_or(Input::Stream, Input::File);
                        } else {
                            self.writes(&value, scope);
                        }
                    }
                }
                IoRedirect::OutputAndError(word, _) => {
                    for value in self.expand(&word.value, scope) {
                        self.writes(&value, scope);
                    }
                }
                IoRedirect::File(_, kind, IoFileRedirectTarget::ProcessSubstitution(_, inner)) => {
                    self.list(&inner.list, &mut scope.clone());
                    if matches!(kind, IoFileRedirectKind::Read) {
                        input = Input::Stream;
                    }
                }
                IoRedirect::File(_, kind, IoFileRedirectTarget::Duplicate(word)) => {
                    self.expand(&word.value, scope);
                    if matches!(kind, IoFileRedirectKind::DuplicateInput) {
                        input = Input::Stream;
                    }
                }
                IoRedirect::File(_, kind, IoFileRedirectTarget::Fd(_)) => {
                    if matches!(kind, IoFileRedirectKind::DuplicateInput) {
                        input = Input::Stream;
                    }
                }
                IoRedirect::HereDocument(_, document) => {
                    let text = &document.doc.value;
                    if !document.requires_expansion {
                        input = Input::Text(text.clone());
                        continue;
                    }
                    let pieces = word::parse_heredoc(text, &ParserOptions::default()).ok();
                    let value = pieces.map(|pieces| self.build(&pieces, text, scope, true));
                    input = match value.as_deref() {
                        Some([value]) => value.text().map_or(Input::Stream, Input::Text),
                        _ => Input::Stream,
                    };
                    self.secrets(value.iter().flatten());
                }
                IoRedirect::HereString(_, word) => {
                    let values = self.expand(&word.value, scope);
                    self.secrets(values.iter());
                    input = match values.as_slice() {
                        [value] => value.text().map_or(Input::Stream, Input::Text),
                        _ => Input::Stream,
                    };
                }
            }
        }
        input
    }

    fn secrets<'v>(&mut self, mut values: impl Iterator<Item = &'v Value>) {
        if values.any(|value| value.secret) {
            self.find(Verdict::credential("This command writes down the value of a credential."));
        }
    }

    /// A connection that looks like a file.
    fn device(&mut self, path: &std::path::Path) {
        let text = path.display().to_string();
        if ["/dev/tcp/", "/dev/udp/"].iter().any(|start| text.starts_with(start))
            && network::leads(&text, self.here) == Leads::Past
        {
            self.find(network::past(&text));
        }
    }

    fn writes(&mut self, value: &Value, scope: &Scope) {
        self.find(credentials::written(value, scope, self.here));
        if let Some(path) = value.text().and_then(|text| scope.path(&text)) {
            self.device(&path);
            self.written.push(path);
        }
    }
}
