//! Interpreters, and which of their options take code.

/// An interpreter.
pub(crate) struct Interpreter {
    /// Its name, without a version.
    pub name: &'static str,
    /// Letters of short options that take code. They may stand together (`-lane CODE`) and next to it (`-e'CODE'`).
    pub letters: &'static str,
    /// Letters whose value is the rest of the word, or else the next one: `-W ignore`.
    pub valued: &'static str,
    /// Letters whose value can only be the rest of the word: `-MPOSIX`, `-i.bak`.
    pub attached: &'static str,
    /// Whole words that take code.
    pub words: &'static str,
}

const fn row(
    name: &'static str,
    letters: &'static str,
    valued: &'static str,
    attached: &'static str,
    words: &'static str,
) -> Interpreter {
    Interpreter { name, letters, valued, attached, words }
}

static INTERPRETERS: [Interpreter; 16] = [
    row("node", "ep", "rC", "", "--eval --print"),
    row("nodejs", "ep", "rC", "", "--eval --print"),
    row("tsx", "ep", "rC", "", "--eval --print"),
    row("ts-node", "ep", "rPO", "", "--eval --print"),
    row("bun", "ep", "r", "", "--eval --print"),
    row("deno", "", "", "", "eval"),
    row("python", "c", "WXQ", "m", ""),
    row("pypy", "c", "WX", "m", ""),
    row("ruby", "e", "rIC", "KxFEWT", ""),
    row("perl", "eE", "I", "MmiFxDC", ""),
    row("php", "rBRE", "dcztS", "f", "--run --process-begin --process-code --process-end"),
    row("lua", "e", "l", "", ""),
    row("osascript", "e", "l", "", ""),
    row("pwsh", "", "", "", "-c -Command"),
    row("elixir", "e", "rSpz", "", "--eval --rpc-eval"),
    row("rscript", "e", "", "", ""),
];

/// Options with which an interpreter runs a file before anything else.
pub(crate) const PRELOADS: &str = "-r --require --import --loader --experimental-loader --preload";

/// The interpreter with this name, a version at its end aside: `python3.12`.
pub(crate) fn interpreter(program: &str) -> Option<&'static Interpreter> {
    let is = |name: &str| {
        let version = program.strip_prefix(name);
        version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    };
    INTERPRETERS.iter().find(|interpreter| is(interpreter.name))
}
