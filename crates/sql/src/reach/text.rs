//! Statements as text: the commands of triggers, and values put where a parameter, column or call was.

use turso_parser::ast::{Cmd, Stmt, TriggerCmd};
use turso_parser::lexer::Lexer;
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

use super::walk;

/// The columns of NEW and OLD that a trigger names, and its statements.
pub type TriggerParts = (Vec<(String, String)>, Vec<String>);

/// Whether a SET of an UPDATE reads, through a compound SELECT, columns of the same table that the UPDATE sets: whether
/// it finds them changed already depends on how SQLite puts the compound together, and that on the triggers that there
/// are.
pub fn reads_what_it_sets(update: &str) -> bool {
    let Ok(Some(Cmd::Stmt(Stmt::Update(update)))) = Parser::new(update.as_bytes()).next_cmd() else { return false };
    let columns: Vec<&str> = update.sets.iter().flat_map(|set| &set.col_names).map(|column| column.as_str()).collect();
    let target = update.tbl_name.name.as_str();
    update.sets.iter().flat_map(|set| walk::subqueries(&set.expr)).any(|select| {
        let text = select.to_string();
        let tokens = crate::tokens::tokens(&text);
        let names =
            |name: &str| tokens.iter().any(|token| !token.is_literal() && token.text.eq_ignore_ascii_case(name));
        let reads_target = crate::named::Named::of(&text).names(target);
        let compound = [TokenType::TK_UNION, TokenType::TK_EXCEPT, TokenType::TK_INTERSECT];
        let is_compound = tokens.iter().any(|token| compound.iter().any(|kind| token.is_keyword(*kind)));
        is_compound && reads_target && (columns.iter().any(|column| names(column)) || names("*"))
    })
}

/// A trigger as statements that can be looked at one by one: its condition as a SELECT, then its commands. NEW and OLD
/// stand in them as they are.
pub fn trigger_parts(trigger: &str) -> Option<TriggerParts> {
    let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { when_clause, commands, .. }))) =
        Parser::new(trigger.as_bytes()).next_cmd()
    else {
        return None;
    };
    // A table that goes by one of these names hides the row.
    let tokens = crate::tokens::tokens(trigger);
    let is_row = |text: &str| text.eq_ignore_ascii_case("new") || text.eq_ignore_ascii_case("old");
    if tokens.iter().enumerate().any(|(at, token)| {
        is_row(&token.text) && token.quote != Some('\'') && tokens.get(at + 1).is_none_or(|next| next.text != ".")
    }) {
        return None;
    }
    let mut texts: Vec<String> = when_clause.iter().map(|condition| format!("SELECT {condition}")).collect();
    texts.extend(commands.iter().map(command_text));
    let mut columns: Vec<(String, String)> = Vec::new();
    for text in &texts {
        frame_columns(text, &mut |row, column, _| {
            let found = (row.to_ascii_lowercase(), column.to_ascii_lowercase());
            if !columns.contains(&found) {
                columns.push(found);
            }
        });
    }
    Some((columns, texts))
}

fn command_text(command: &TriggerCmd) -> String {
    command.to_string().trim_end_matches(';').to_owned()
}

/// Calls with each `NEW.column` or `OLD.column` in a text and where it stands.
fn frame_columns(text: &str, found: &mut dyn FnMut(&str, &str, std::ops::Range<usize>)) {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut before: Vec<(String, usize)> = Vec::new();
    loop {
        let at = text.len() - lexer.remaining().len();
        let Some(Ok(token)) = lexer.next() else { break };
        let end = text.len() - lexer.remaining().len();
        let raw = text.get(at..end).unwrap_or_default();
        if raw.trim().is_empty() || token.token_type == TokenType::TK_ILLEGAL {
            continue;
        }
        if let [.., (row, start), (dot, _)] = before.as_slice()
            && dot == "."
            && matches!(row.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase().as_str(), "new" | "old")
        {
            found(row.trim_matches(['"', '`', '[', ']']), &unquoted(raw), *start..end);
        }
        before.push((raw.trim().to_owned(), at));
    }
}

fn unquoted(raw: &str) -> String {
    let inner = |open: char, close: char| raw.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    if let Some(inner) = inner('"', '"') {
        return inner.replace("\"\"", "\"");
    }
    inner('`', '`')
        .map(|inner| inner.replace("``", "`"))
        .or_else(|| inner('[', ']').map(str::to_owned))
        .unwrap_or_else(|| raw.trim().to_owned())
}

/// A command of a trigger with the values of NEW and OLD in their places.
pub fn in_frame(command: &str, value: &dyn Fn(&str, &str) -> Option<String>) -> Option<String> {
    let mut places: Vec<(std::ops::Range<usize>, Option<String>)> = Vec::new();
    frame_columns(command, &mut |row, column, range| {
        places.push((range, value(&row.to_ascii_lowercase(), &column.to_ascii_lowercase())))
    });
    let mut text = String::new();
    let mut last = 0;
    for (range, constant) in places {
        text.push_str(command.get(last..range.start)?);
        text.push_str(&constant?);
        last = range.end;
    }
    text.push_str(command.get(last..)?);
    Some(text)
}

/// A statement with its positional parameters as constants. Parameters without one stay, and whatever holds them bounds
/// nothing.
pub fn with_parameters(statement: &str, value: &dyn Fn(usize) -> Option<String>) -> String {
    let mut lexer = Lexer::new(statement.as_bytes());
    let mut text = String::new();
    let mut next = 1;
    let mut names: Vec<(String, usize)> = Vec::new();
    loop {
        let at = statement.len() - lexer.remaining().len();
        let Some(Ok(token)) = lexer.next() else { break };
        let end = statement.len() - lexer.remaining().len();
        let raw = statement.get(at..end).unwrap_or_default();
        let position = match (token.token_type, raw.trim().strip_prefix('?')) {
            (TokenType::TK_VARIABLE, Some("")) => Some(next),
            (TokenType::TK_VARIABLE, Some(number)) => number.parse().ok(),
            (TokenType::TK_VARIABLE, None) => {
                let known = names.iter().find(|(name, _)| name == raw.trim()).map(|(_, position)| *position);
                Some(known.unwrap_or_else(|| {
                    names.push((raw.trim().to_owned(), next));
                    next
                }))
            }
            _ => None,
        };
        if let Some(position) = position {
            next = next.max(position + 1);
        }
        match position.and_then(value) {
            Some(constant) => text.push_str(&format!(" {constant} ")),
            None => text.push_str(raw),
        }
    }
    text
}

/// A statement with a constant in the place of a call without arguments.
pub fn with_call(statement: &str, function: &str, value: &str) -> String {
    let mut text = statement.to_owned();
    loop {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut last: Vec<(std::ops::Range<usize>, TokenType)> = Vec::new();
        let mut found = None;
        loop {
            let at = text.len() - lexer.remaining().len();
            let Some(Ok(token)) = lexer.next() else { break };
            let range = at..text.len() - lexer.remaining().len();
            if text.get(range.clone()).is_none_or(|raw| raw.trim().is_empty()) {
                continue;
            }
            last.push((range, token.token_type));
            if let [.., (name, TokenType::TK_ID), (_, TokenType::TK_LP), (end, TokenType::TK_RP)] = last.as_slice()
                && text.get(name.clone()).is_some_and(|raw| raw.trim().eq_ignore_ascii_case(function))
            {
                found = Some(name.start..end.end);
                break;
            }
        }
        let Some(range) = found else { return text };
        text.replace_range(range, &format!(" {value} "));
    }
}

/// A query whose names in double quotes can be nothing but names: SQLite would take one that it does not find for a
/// text.
pub(crate) fn strict(query: &str) -> String {
    let mut lexer = Lexer::new(query.as_bytes());
    let mut text = String::new();
    loop {
        let at = query.len() - lexer.remaining().len();
        let Some(Ok(_)) = lexer.next() else { break };
        let raw = query.get(at..query.len() - lexer.remaining().len()).unwrap_or_default();
        if raw.starts_with('"') {
            text.push_str(&format!("`{}`", unquoted(raw).replace('`', "``")));
        } else {
            text.push_str(raw);
        }
    }
    text
}
