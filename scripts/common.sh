# Sourced by every script: where things are, which versions, how to speak.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project="$PWD"
tools="$project/.tools"
mkdir -p "$tools"

worker_build_version=0.8.7
# Command line and crate must match exactly, so the lock file of the crate decides.
wasm_bindgen_version=0.2.129
if [ -f Cargo.lock ]; then
  wasm_bindgen_version="$(awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock)"
fi

# npm puts Node 22 here; the machine's own Node may be too old for wrangler.
export PATH="$project/node_modules/.bin:$PATH"
export WRANGLER_SEND_METRICS=false
# The gateway does not ask where a request comes from, so wrangler need not look that up on the internet.
export CLOUDFLARE_CF_FETCH_ENABLED=false
# Without these worker-build fetches its own copies from the internet at every new version.
export WASM_BINDGEN_BIN="$tools/bin/wasm-bindgen"
export WASM_OPT_BIN="$project/node_modules/binaryen/bin/wasm-opt"
export ESBUILD_BIN="$project/node_modules/esbuild/bin/esbuild"

say() { if [ -t 2 ]; then printf '\033[1m==>\033[0m %s\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing. $2"; }

digest() { if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

# One hash over the contents of the files and folders named, whatever their times.
digest_of_files() {
  for path in "$@"; do
    if [ -e "$path" ]; then find "$path" -type f; fi
  done | LC_ALL=C sort | while IFS= read -r file; do
    printf '%s ' "$file"
    digest <"$file"
  done | digest
}

# Two makes at once must not write the same folder; without flock (macOS) we rely on cargo's own lock.
lock() {
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$tools/$1.lock"
    flock -n 9 || { say "waiting for another $1"; flock 9; }
  fi
}
