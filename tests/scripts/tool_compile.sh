#!/usr/bin/env bash
# tool_compile.sh FAUNA WORK MODELS: what is compiled again for another model, a comment, and a change. FAUNA is the
# program. It runs on a copy of the sources with a compiler that preprocesses, and writes down what else it is asked for.
set -euo pipefail
fauna=$1 work=$2 models=$3 source=$(realpath "$(dirname "$0")/../..")
rm -rf "$work"
mkdir -p "$work/bench/support"
cp -r "$source/include" "$source/tools" "$work"
cp "$source/bench/support/peak.hpp" "$work/bench/support"
cat >"$work/compiler" <<'SCRIPT'
#!/usr/bin/env bash
set -euo pipefail
case " $* " in *" -E "* | *" --version "*) exec g++ "$@" ;; esac
for word in "$@"; do
  if [[ $word == tools/src/*.cpp ]]; then basename "$word" .cpp >>"$ASKED"; fi
done
cp "$(type -P true)" "${!#}"  # -o FILE is last
SCRIPT
chmod +x "$work/compiler"
export FAUNA_SOURCE_DIR=$work CXX=$work/compiler ASKED=$work/asked CCACHE_DISABLE=1

# compiles WHAT WHY VERB...: that verb has just these sources compiled
compiles() {
  local what=$1 why=$2 said
  : >"$ASKED"
  said=$("$fauna" "${@:3}" 2>&1) || { printf '%s: fails:\n%s\n' "$why" "$said"; exit 1; }
  local asked
  asked=$(sort "$ASKED" | xargs)
  [[ $asked == "$what" ]] || { printf '%s: compiles "%s", not "%s"\n%s\n' "$why" "$asked" "$what" "$said"; exit 1; }
}
logits() { compiles "$1" "$2" logits "$models/$3" --tokens 1 --out "$work/x.npy"; }

logits "engine inference" "the first model" gpt2
logits "" "the same again" gpt2
logits engine "another family" gpt_neox
logits engine "another type" llama_tied
compiles explain "another program" explain "$models/gpt2"
for model in gpt2 llama_tied; do
  cp -r "$models/$model" "$work"
  level='{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}'
  echo '{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": '"$level"', "post_processor": null, "decoder": '"$level"',
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": {"a": 0}, "merges": []}}' >"$work/$model/tokenizer.json"
done
compiles serve "a server" serve "$work/gpt2"
compiles "" "another model's server" serve "$work/llama_tied"

sed -i '1i // A line more.\n
/^namespace/a /* Three lines more,\n\n which say nothing. */' "$work"/include/fauna/{core/view,models/gpt}.hpp "$work"/tools/src/*.{hpp,cpp}
logits "" "a comment in headers and sources" gpt2
compiles "" "a comment, for another program" explain "$models/gpt2"

echo 'inline int one_more() { return 1; }' >>"$work/include/fauna/models/gpt.hpp"
logits engine "a model's header" gpt2
logits "" "another model's header" llama_tied
echo 'inline int another() { return 2; }' >>"$work/tools/src/texts.hpp"
logits inference "what has nothing to do with models" gpt2
logits "" "the same, for another model" llama_tied
echo 'inline int a_third() { return 3; }' >>"$work/include/fauna/core/view.hpp"
logits "engine inference" "what is below all" gpt2

CXXFLAGS=-O1 logits "engine inference" "other flags" gpt2
logits "" "the flags from before" gpt2
echo 'int main() { return' >>"$work/tools/src/explain.cpp"
sed -i 's/^cp .*/echo "x.cpp:1:1: error: of ours"; exit 1/' "$work/compiler"
said=$("$fauna" explain "$models/gpt2" 2>&1) && { echo "a compiler that fails: succeeds"; exit 1; }
[[ $said == *"the model does not compile:"*"of ours"* ]] || { echo "a compiler that fails: $said"; exit 1; }
