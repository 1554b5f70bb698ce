#!/usr/bin/env bash
# tool_train.sh FAUNA WORK CHARACTERS DTYPE: a text with so many different characters becomes a model: trained, stopped
# and resumed, evaluated, sampled from, explained.
set -euo pipefail
fauna=$1 work=$2 characters=$3 dtype=$4
rm -rf "$work"
mkdir -p "$work"
cd "$work"

# Every character once, then ten of them more often than the rest. Beyond 94 they take two bytes each.
python3 - "$characters" >text.txt <<'PYTHON'
import random, sys
alphabet = [chr(c) for c in [*range(33, 127), *range(0x100, 0x180)]][: int(sys.argv[1])]
draw = random.Random(1)
sys.stdout.reconfigure(encoding="utf-8")
often = [8 if i < 10 else 1 for i in range(len(alphabet))]
sys.stdout.write("".join(alphabet + draw.choices(alphabet, often, k=6000)))
PYTHON
check() { [[ $2 == *"$1"* ]] || { printf 'expected %s in:\n%s\n' "$1" "$2"; exit 1; }; }

model=(--n-layer 1 --n-head 2 --n-embd 16 --block-size 16 --dropout 0.1)
run=(--data text.txt --dtype "$dtype" --batch-size 4 --learning-rate 1e-2 --warmup-iters 5 --lr-decay-iters 20
  --eval-interval 10 --eval-iters 2 --log-interval 5 --threads 1)
said=$("$fauna" train "${model[@]}" "${run[@]}" --max-iters 20 --out-dir whole --tensorboard whole/events --profile 3 2>&1)
check "$characters different ones: the vocabulary" "$said"
echo "$said" | grep -qE "compiled in|is there already"
check "21 updates in" "$said"
for file in best.safetensors last.safetensors metrics.jsonl loss.svg loss.txt summary.json; do test -s "whole/$file"; done
keys=$(python3 -c 'import json; print(*json.load(open("whole/summary.json")))')
check "val_loss seconds iterations parameters dtype threads tokens_per_second corpus_sha256 planned_bytes peak_rss_bytes isa" \
  "$keys"
check "$(sha256sum <text.txt | cut -d' ' -f1)" "$(cat whole/summary.json)"
check "where the time went" "$said"
test -s whole/events/events.out.tfevents.*
python3 -c 'import json; assert sum(e["name"] == "update" for e in json.load(open("whole/trace.json"))["traceEvents"]) == 3'
python3 -c 'import json; [json.loads(l) for l in open("whole/metrics.jsonl")]'

# Half of the run, with layers that run again in backward, then the rest: the same weights.
"$fauna" train "${model[@]}" "${run[@]}" --max-iters 9 --out-dir parts --recompute full >half.log 2>&1
said=$("$fauna" train "${run[@]}" --max-iters 20 --init-from resume --out-dir parts 2>&1)
check "going on from parts/last.safetensors" "$said"
check "is there already" "$said"
python3 - <<'PYTHON'
import json
a, b = (json.load(open(f"{d}/summary.json")) for d in ("whole", "parts"))
assert a["val_loss"] == b["val_loss"] and a["iterations"] == b["iterations"] == 21, (a, b)
PYTHON

said=$("$fauna" train --n-embd 32 "${run[@]}" --init-from resume --out-dir parts 2>&1) && exit 1
check "leave the structural flags out" "$said"
said=$("$fauna" train "${run[@]}" --init-from whole/best.safetensors --eval-only --out-dir other 2>&1)
check "  val " "$said"

# Weights that are no checkpoint: the flags and the text say what model they are of.
python3 - whole/best.safetensors plain.safetensors <<'PYTHON'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
(length,) = struct.unpack("<Q", data[:8])
head = json.loads(data[8 : 8 + length])
del head["__metadata__"]
text = json.dumps(head).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length :])
PYTHON
again=$("$fauna" train "${model[@]}" "${run[@]}" --init-from plain.safetensors --eval-only --out-dir other 2>&1)
check "$(echo "$said" | grep "  val ")" "$again"
said=$("$fauna" train "${model[@]}" "${run[@]}" --init-from text.txt --out-dir other 2>&1) && exit 1
check "text.txt says that its header has" "$said"
said=$("$fauna" sample plain.safetensors 2>&1) && exit 1
check "plain.safetensors is no checkpoint of fauna" "$said"

# SIGTERM: saves, and ends with 0.
"$fauna" train "${model[@]}" "${run[@]}" --max-iters 100000000 --eval-interval 0 --out-dir stopped >stopped.log 2>&1 &
for _ in {1..600}; do
  if [[ -s stopped/metrics.jsonl ]]; then break; fi
  sleep 0.1
done
kill -TERM $!
wait $! || { echo "a run that SIGTERM stopped ends with $?"; exit 1; }
check "stopped by signal 15 after" "$(cat stopped.log)"
test -s stopped/last.safetensors

first=$("$fauna" sample whole --num-samples 2 --max-new-tokens 30 --dtype "$dtype" --threads 1 2>/dev/null)
again=$("$fauna" sample whole --num-samples 2 --max-new-tokens 30 --dtype "$dtype" --threads 2 2>/dev/null)
[[ $first == "$again" ]] || { printf 'two samples of one seed differ:\n%s\n%s\n' "$first" "$again"; exit 1; }
printf '!!!' >start.txt
said=$("$fauna" sample whole/last.safetensors --start FILE:start.txt --num-samples 1 --max-new-tokens 5 --dtype "$dtype" 2>/dev/null)
[[ ${#said} == 8 && $said == '!!!'* ]] || { echo "a sample of 3 + 5 characters is '$said'"; exit 1; }
# generate is the same with other defaults, and says where the context ends.
sampled=(--num-samples 1 --max-new-tokens 30 --dtype "$dtype")
first=$("$fauna" sample whole --start '!' "${sampled[@]}" 2>/dev/null)
again=$("$fauna" generate whole --prompt '!' "${sampled[@]}" --temperature 0.8 --top-k 200 --at-context-end slide 2>/dev/null)
[[ $first == "$again" ]] || { printf 'sample and generate differ:\n%s\n%s\n' "$first" "$again"; exit 1; }
# Drafts, of the text itself and of a model, leave the text alone; at the end of the context they stop.
for draft in ngram whole whole/last.safetensors; do
  again=$("$fauna" sample whole --start '!' "${sampled[@]}" --draft "$draft" --draft-max 3 2>/dev/null)
  [[ $first == "$again" ]] || { printf 'a sample with drafts of %s differs:\n%s\n%s\n' "$draft" "$first" "$again"; exit 1; }
done
said=$("$fauna" generate whole --prompt '!!!' "${sampled[@]}" 2>err.txt)
[[ ${#said} == 17 ]] || { echo "a context of 16 and the token after it is '$said'"; exit 1; }
check "a text ends with the context of 16, after 14 tokens" "$(cat err.txt)"
said=$("$fauna" generate whole --prompt '!' "${sampled[@]}" --at-context-end refuse 2>&1) && exit 1
check "no more than the context of 16" "$said"
said=$("$fauna" generate whole --prompt '!!!!!!!!!!!!!!!!!' "${sampled[@]}" 2>&1) && exit 1
check "a prompt of 17 tokens, expected at most the context of 16" "$said"
said=$("$fauna" generate whole --chat "${sampled[@]}" 2>&1) && exit 1
check "--chat for a checkpoint of characters" "$said"
said=$("$fauna" sample whole --start ' ' 2>&1) && exit 1
check "unseen character ' '" "$said"

check ".vocab = $characters, " "$("$fauna" type whole/best.safetensors)"
said=$("$fauna" explain whole/best.safetensors --batch-size 4 --threads 1 2>/dev/null)
check "transformer.wte" "$said"
check "gradients" "$said"
echo "$characters characters: trained, resumed, sampled"
