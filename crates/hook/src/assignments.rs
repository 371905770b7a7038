//! What becomes of variables that a command line sets.

use brush_parser::ast::AssignmentValue;

use super::scope::Scope;
use super::shell::Judge;
use super::table::variables::{self, Variable, variable};
use super::values::Value;
use super::verdict::{Reason, Verdict};

impl Judge<'_> {
    /// The name of a variable can hold an index, and that a command: `test -v 'a[$(ls)]'`.
    pub(crate) fn indices(&mut self, values: &[Value], scope: &mut Scope) {
        for text in values
            .iter()
            .filter_map(Value::text)
            .filter(|text| text.contains('[') && (text.contains("$(") || text.contains('`')))
        {
            self.pieces_of(&text, scope, true);
        }
    }

    /// A variable gets these values: none of them may be a credential, which would go by another name from then on.
    pub(crate) fn copies(&mut self, values: &[Value]) {
        if values.iter().any(|value| value.secret) {
            self.find(Verdict::credential("This command copies a credential into another variable."));
        }
    }

    pub(crate) fn assigned(&mut self, value: &AssignmentValue, scope: &mut Scope) -> Option<String> {
        match value {
            AssignmentValue::Scalar(word) => {
                // No braces and no division by blanks in an assignment.
                let value = self.pieces_of(&word.value, scope, true);
                let [value] = value.as_slice() else {
                    return if value.is_empty() { Some(String::new()) } else { None };
                };
                self.copies(std::slice::from_ref(value));
                value.text()
            }
            AssignmentValue::Array(values) => {
                for (_, value) in values {
                    let values = self.expand(&value.value, scope);
                    self.copies(&values);
                }
                None
            }
        }
    }

    /// A variable gets a value: one that leads tools to the gateway, or one that makes programs run others, is not for
    /// agents to set.
    pub(crate) fn assign(&mut self, name: &str, scope: &mut Scope, value: Option<&str>) {
        let known = variable(name);
        let guarded = matches!(known, Some(Variable::Credential | Variable::Leads));
        if guarded || self.here.key_variables.iter().any(|key| key == name) {
            return self.find(Verdict::refused(
                Reason::Direct,
                format!("This command sets or removes {name}, which decides where Cloudflare's tools go and as whom."),
                "Leave it as it is; in a run it leads to the gateway. To work in a run: dryrun exec -- COMMAND. To \
                 choose the environment: DRYRUN_ENV=staging dryrun exec -- COMMAND.",
            ));
        }
        match (known, value) {
            (None, _) => {}
            (Some(Variable::Prompt), Some(text)) => drop(self.pieces_of(text, scope, true)),
            (Some(Variable::NodeOptions), Some(text))
                if !text.contains("-r") && !text.contains("--import") && !text.contains("loader") => {}
            (Some(Variable::Command), Some(text)) => self.subshell(text, scope),
            (Some(_), _) => self.find(Verdict::unclear(format!(
                "This command sets {name}, with which every program would run something else first."
            ))),
        }
    }

    /// Arithmetic: it can set variables, and holds commands.
    pub(crate) fn arithmetic(&mut self, text: &str, scope: &mut Scope) {
        if variables::names_guarded(text) {
            self.assign("CLOUDFLARE_API_BASE_URL", scope, None);
        }
        self.pieces_of(text, scope, true);
    }
}
