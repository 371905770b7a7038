//! What the words of a command line become, as far as that is known in advance.

use brush_parser::ParserOptions;
use brush_parser::word::{self, ParameterExpr, ParameterTransformOp, TildeExpr, WordPiece, WordPieceWithSource};

use super::scope::Scope;
use super::shell::Judge;
use super::table::variables;
use super::values::{Builder, Value, ansi_c, braces};
use super::verdict::Verdict;

impl Judge<'_> {
    /// The words that a word becomes. Commands in it are looked at.
    pub(crate) fn expand(&mut self, text: &str, scope: &mut Scope) -> Vec<Value> {
        if text.contains('{') {
            match word::parse_brace_expansions(text, &ParserOptions::default()) {
                Ok(Some(pieces)) => {
                    let Some(words) = braces(&pieces) else { return vec![Value::unknown()] };
                    return words.iter().flat_map(|word| self.pieces_of(word, scope, false)).collect();
                }
                Ok(None) => {}
                Err(_) => return vec![Value::unknown()],
            }
        }
        self.pieces_of(text, scope, false)
    }

    /// The words that a text becomes, without braces.
    pub(crate) fn pieces_of(&mut self, text: &str, scope: &mut Scope, quoted: bool) -> Vec<Value> {
        match word::parse(text, &ParserOptions::default()) {
            Ok(pieces) => self.build(&pieces, text, scope, quoted),
            Err(_) => {
                self.find(Verdict::unclear("A part of this command is not one that a shell would understand."));
                vec![Value::unknown()]
            }
        }
    }

    /// The words that pieces become.
    pub(crate) fn build(
        &mut self,
        pieces: &[WordPieceWithSource],
        source: &str,
        scope: &mut Scope,
        quoted: bool,
    ) -> Vec<Value> {
        let mut builder = Builder::default();
        self.pieces(pieces, source, scope, quoted, &mut builder);
        builder.finish()
    }

    fn pieces(
        &mut self,
        pieces: &[WordPieceWithSource],
        source: &str,
        scope: &mut Scope,
        quoted: bool,
        builder: &mut Builder,
    ) {
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(text) => builder.text(text, quoted),
                WordPiece::SingleQuotedText(text) => builder.text(text, true),
                WordPiece::AnsiCQuotedText(text) => match ansi_c(text) {
                    Some(text) => builder.text(&text, true),
                    None => builder.unknown(true, false),
                },
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    builder.text("", true);
                    self.pieces(inner, source, scope, true, builder);
                }
                WordPiece::EscapeSequence(text) => {
                    builder.text(text.strip_prefix('\\').unwrap_or(text).trim_start_matches('\n'), true)
                }
                WordPiece::TildeExpansion(tilde) => match (tilde, &self.here.home, &scope.cwd) {
                    (TildeExpr::Home, Some(home), _) => builder.text(&home.display().to_string(), true),
                    (TildeExpr::WorkingDir, _, Some(cwd)) => builder.text(&cwd.display().to_string(), true),
                    (TildeExpr::UserHome(user), ..) => builder.text(&format!("/home/{user}"), true),
                    _ => builder.unknown(true, false),
                },
                WordPiece::CommandSubstitution(text) => self.substitution(text, scope, quoted, builder),
                WordPiece::BackquotedCommandSubstitution(text) => {
                    self.substitution(&unescaped(text), scope, quoted, builder)
                }
                WordPiece::ArithmeticExpression(expression) => {
                    self.arithmetic(&expression.value, scope);
                    builder.unknown(true, false);
                }
                WordPiece::ParameterExpansion(expression) => {
                    let raw = source.get(piece.start_index..piece.end_index).unwrap_or_default();
                    self.parameter(expression, raw, scope, quoted, builder);
                }
            }
        }
    }

    fn substitution(&mut self, text: &str, scope: &Scope, quoted: bool, builder: &mut Builder) {
        self.subshell(text, scope);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        match (words.as_slice(), &scope.cwd) {
            (["which", program] | ["command", "-v", program], _) if plain(program) => builder.text(program, true),
            (["echo", word], _)
                if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
                    && !word.starts_with('-') =>
            {
                builder.text(word, true)
            }
            (["pwd"], Some(cwd)) => builder.text(&cwd.display().to_string(), true),
            _ => builder.unknown(quoted, false),
        }
    }

    fn parameter(
        &mut self,
        expression: &ParameterExpr,
        raw: &str,
        scope: &mut Scope,
        quoted: bool,
        builder: &mut Builder,
    ) {
        let name = raw
            .trim_start_matches(['$', '{', '!', '#'])
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .next()
            .unwrap_or_default()
            .to_owned();
        let is_plain = matches!(expression, ParameterExpr::Parameter { indirect: false, .. }) && !raw.contains('[');
        if is_plain {
            if variables::is_secret(&name) || self.here.key_variables.contains(&name) {
                return builder.unknown(quoted, true);
            }
            let known = match (scope.variables.get(&name), name.as_str()) {
                (Some(value), _) => value.clone(),
                (None, "PWD") => scope.cwd.as_ref().map(|cwd| cwd.display().to_string()),
                (None, "HOME") => self.here.home.as_ref().map(|home| home.display().to_string()),
                (None, name) => self.here.variable(name).map(str::to_owned),
            };
            return match known {
                Some(text) if quoted => builder.text(&text, true),
                Some(text) if !scope.divided_otherwise => builder.split(&text),
                _ => builder.unknown(quoted, false),
            };
        }
        // What stands in an expansion may hold commands itself.
        let inner = raw.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(raw);
        let within = self.pieces_of(inner, scope, true).iter().any(|value| value.secret);
        match expression {
            ParameterExpr::ParameterLength { .. } | ParameterExpr::UseAlternativeValue { .. } => {
                builder.unknown(quoted, within)
            }
            ParameterExpr::Transform { op: ParameterTransformOp::PromptExpand, .. } => {
                self.find(Verdict::unclear(
                    "This runs the value of a variable as part of a prompt; cannot tell in advance what that does.",
                ));
                builder.unknown(quoted, false);
            }
            ParameterExpr::AssignDefaultValues { .. } => {
                self.assign(&name, scope, None);
                scope.set(&name, None);
                builder.unknown(quoted, within);
            }
            _ => {
                let through = raw.starts_with("${!")
                    && scope.variables.get(&name).is_none_or(|value| value.as_deref().is_none_or(variables::is_secret));
                let secret =
                    variables::is_secret(&name) || self.here.key_variables.contains(&name) || through || within;
                builder.unknown(quoted, secret);
            }
        }
    }
}

/// What backquotes make of backslashes.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.peek().is_some_and(|next| ['`', '$', '\\'].contains(next)) {
            out.extend(characters.next());
        } else {
            out.push(character);
        }
    }
    out
}
