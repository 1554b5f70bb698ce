#!/usr/bin/env bash
# tool_flags.sh FAUNA WORK: what tools/fauna's program says about flags. FAUNA is the program; nothing is compiled.
set -euo pipefail
fauna=$1 work=$2 configs=$(realpath "$(dirname "$0")/../../examples/configs")
rm -rf "$work"
mkdir -p "$work"
cd "$work"
failed=0

# says WORDS FLAGS...: it fails with a message that has the words
says() {
  local words=$1 message
  shift
  if message=$("$fauna" "$@" 2>&1); then
    echo "fauna $*: succeeds" && failed=1
  elif [[ $message != *"$words"* ]]; then
    echo "fauna $*: says '$message', not '$words'" && failed=1
  fi
}
# prints WORDS FLAGS...: it succeeds and prints the words
prints() {
  local words=$1 output
  shift
  output=$("$fauna" "$@") || { echo "fauna $*: fails" && failed=1; }
  [[ $output == *"$words"* ]] || { echo "fauna $*: prints '$output', not '$words'" && failed=1; }
}

printf 'to be or not to be\n%.0s' {1..20} >text.txt

prints 'fauna 0.' --version

says 'unknown flag --max-itres: did you mean --max-iters?' train --max-itres 20
says 'unknown flag --nlayer: did you mean --n-layer?' train --nlayer=2
says 'unknown flag --topk: did you mean --top-k?' sample --topk 3
says 'unknown flag --lr: tools/fauna train --help lists its flags' train --lr 1
says '--max-iters abc, expected a whole number' train --max-iters abc
says '--max-iters 1.5, expected a whole number' train --max-iters 1.5
says '--seed -1, expected a whole number, not negative' train --seed=-1
says '--learning-rate fast, expected a number' train --learning-rate fast
says '--bias maybe, expected true or false' train --bias maybe
says '--dtype f16, expected one of f32, bf16, float8, float8_rowwise, mxfp8' train --dtype f16
says '--dtype float8, expected one of f32, bf16' finetune plain --dtype float8
says '--schedule step, expected one of cosine, linear, constant, wsd' train --schedule step
says '--layer-dropout 1, expected 0 to below 1' train --layer-dropout 1 --data text.txt
says '--exit-loss -1, expected 0 or more' train --exit-loss=-1 --data text.txt
says '--layer-dropout and --exit-loss with --zero 2' train --exit-loss 1 --zero 2 --data text.txt
says '--n-layer 0, expected 1 to' train --n-layer 0
says '--dropout 1, expected 0 to below 1' train --dropout 1
says 'such as 126 or 129' train --n-head 3
says 'there is no file nowhere.txt' train --data nowhere.txt
says 'expected more than the context of 64' train --data text.txt
says 'a text of length 0' train --data /dev/null
says 'cannot open none.safetensors' sample none.safetensors
says 'no checkpoint of fauna' sample "$fauna"
says "the model 'gpt3', expected a model directory, a checkpoint, a file of weights, or a preset: did you mean gpt2, " type gpt3
says "did you mean llama-3-8b, " type llama3-8b
says "the word 'more' is one too many" type gpt2 more
says "the word '2' is one too many" type gpt2 --n-layer 1 2
verbs='expected train, sample, generate, chat, serve, logits, perplexity, eval, compare, export, convert, quantize, finetune, draft-train, merge, upcycle, tokenizer, prepare, tokenize, download, explain, diff, plan, type'
says "unknown verb generat, $verbs: did you mean generate?" generat x
says "unknown verb nothing, $verbs: did you mean " nothing
says "the flag --bogus and no verb, $verbs" --bogus
says "no verb, $verbs: tools/fauna --help lists"
# Before anything is compiled or read: there is no model here.
mkdir plain
says '--port 65536, expected 0 to 65535' serve plain --port 65536
says '--queue -1, expected 0 to 1000' serve plain --queue -1
says 'there is no file nowhere' serve plain --api-key-file nowhere
says 'plain has no config.json' serve plain
says 'nowhere has no config.json' serve nowhere
says 'temperature -1.000000, expected 0' generate plain --prompt a --temperature=-1
says 'top-p 0.000000, expected in (0, 1]' generate plain --prompt a --top-p 0
says 'min-p 2.000000, expected 0' sample plain --min-p 2
says 'repetition penalty 0.000000, expected 1' sample plain --repetition-penalty 0
says 'an empty stop text' generate plain --prompt a --stop ''
says '--optimizer sgd, expected one of adamw, muon' train --data text.txt --optimizer sgd
says '--muon-rate without --optimizer muon, expected both' train --data text.txt --muon-rate 2
says '--pp-schedule without --pp, expected both' train --data text.txt --block-size 16 --pp-schedule zb1p
says 'the schedule 1f2b, expected one of gpipe, 1f1b' train --data text.txt --block-size 16 --pp 2 --pp-schedule 1f2b
says '3 stages a rank, there and back, expected two of them' train --data text.txt --block-size 16 --pp 2 --pp-schedule zbv --pp-rounds 3
says '--muon-momentum 1, expected 0 to below 1' train --data text.txt --optimizer muon --muon-momentum 1
printf 'x' >one.txt
says 'a text of length 1' train --data one.txt

prints '.layers = 4, .heads = 4, .width = 128, .context = 64, .vocab = 65, .bias = false}>' type
prints '.layers = 48, .heads = 25, .width = 1600, .context = 1024, .vocab = 50257, .act = ' type gpt2-xl
prints '.layers = 12, .heads = 6, .width = 768, .context = 1024, .vocab = 100, .dropout = 0.125F, .act = ' \
  type gpt2 --n-head 6 --vocab-size 100 --dropout 0.125
prints 'fauna::Llama<fauna::LlamaConfig{.layers = 16, .heads = 32, .kv_heads = 8, .head_size = 64, .width = 2048, .hidden = 8192, '\
'.context = 131072, .vocab = 128256, .base = 500000.0, .scaling = {.kind = fauna::rope_scaling::llama3, '\
'.factor = 32.0, .original = 8192}, .tied = true}>' type llama-3.2-1b
prints 'fauna::GptNeoX<fauna::GptNeoXConfig{.layers = 36, .heads = 40, .width = 5120, .hidden = 20480, ' type pythia-12b
for model in llama-2-7b llama-3-8b tinyllama-1.1b smollm2-135m; do prints 'fauna::Llama<' type $model; done
for size in 70m 160m 410m 1b 1.4b 2.8b 6.9b; do prints 'fauna::GptNeoX<' type pythia-$size; done
says '--n-layer for llama-2-7b, expected structural flags with' type llama-2-7b --n-layer 3
says '--n-embd for pythia-70m, expected structural flags with' train --model pythia-70m --n-embd 64
says "the model 'llama', expected a model directory, a checkpoint, a file of weights, or a preset: did you mean llama-shakespeare, llama-2-7b or llama-3-8b?" train --data text.txt --model llama
prints '.vocab = 300, .rotary = 16}>' type pythia-70m --vocab-size 300
prints '.head_size = 32, .width = 128, .hidden = 344, .context = 64, .vocab = 65, .tied = true}>' type "$configs/llama"
prints '.hidden = 512, .context = 64, .vocab = 65, .rotary = 8}>' type "$configs/gpt_neox"
says 'examples/configs/llama, expected structural flags with' type "$configs/llama" --n-layer 3
says 'examples/configs/llama, expected a preset' type "$configs/llama" --vocab-size 3
prints '.layers = 3,' type --n-layer 2 --n-layer 3
prints '.vocab = 65}>' type --bias
prints '.vocab = 65}>' type --bias=True
prints '.bias = false' type gpt2 --bias False
for flag in --model --n-layer --n-head --n-embd --block-size --bias --dropout --data --out-dir --init-from --dtype --threads \
  --seed --max-iters --batch-size --gradient-accumulation-steps --learning-rate --decay-lr --schedule --optimizer --muon-rate --muon-momentum --warmup-iters --pp-schedule --pp-rounds --zero-bubble \
  --lr-decay-iters --min-lr --weight-decay --beta1 --beta2 --grad-clip --eval-interval --eval-iters --eval-only \
  --log-interval --always-save-checkpoint --start --num-samples --max-new-tokens --temperature --top-k --top-p \
  --prompt --min-p --repetition-penalty --stop --chat --at-context-end --tokens --out --decode --host --port --queue \
  --api-key-file --name --system --values --kind --tv-weight --heads-first --model-lr --heads-weight --own-heads --hidden --layer-dropout --exit-loss --draft-tree --rewind; do
  prints "$flag " --help
done
prints '--learning-rate NUMBER=0.001' train --help
exit $failed
