// tools/fauna: turns flags, a text or a checkpoint into a model's type, compiles a program for it, and becomes that
// program.
#include <tools/src/chat.hpp>
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/plan.hpp>
#include <tools/src/start.hpp>

#include <sstream>

#include <fauna/core/version.hpp>
#include <fauna/decode/adapter.hpp>
#include <fauna/io/print.hpp>
#include <tools/src/verbs/data.hpp>
#include <tools/src/verbs/diff.hpp>
#include <tools/src/verbs/drafters.hpp>
#include <tools/src/verbs/files.hpp>
#include <tools/src/verbs/finetuning.hpp>
#include <tools/src/verbs/inference.hpp>
#include <tools/src/verbs/models.hpp>
#include <tools/src/verbs/training.hpp>

namespace {

using namespace tool::verbs;
using tool::AnyModel;
using tool::whole;

/// As named_model, with a vocabulary of another size.
tool::Described described_model(tool::Verb const& verb, std::string const& name) {
  const AnyModel c = named_model(verb, name);
  if (verb.has("vocab-size")) {
    settings::Vocabulary v;
    verb.apply(v);
    if (tool::preset(name) == nullptr)
      fauna::fail("fauna", "--vocab-size for " + name, "a preset", "the vocabulary of other models is their own");
    c->set_vocab(whole("vocab-size", v.vocab_size, 1, 100000000));
  }
  return c->described();
}

void plan(tool::Verb const& verb, std::string const& name, settings::Plan const& s) {
  whole("gpus", s.gpus, 1);
  whole("node", s.node, 1);
  whole("seq", s.seq, 0, 1L << 30);
  whole("batch", s.batch, 0, 1L << 30);
  whole("microbatch", s.microbatch, 1);
  whole("top", s.top, 1);
  for (auto const& [flag, value] : {std::pair{"memory", s.memory},
                                    {"peak", s.peak},
                                    {"inside", s.inside},
                                    {"across", s.across},
                                    {"efficiency", s.efficiency}})
    if (!(value > 0)) fauna::fail("fauna plan", std::string("--") + flag + ' ' + settings::text(value), "more than 0");
  tool::print_plans(name, *named_model(verb, name), s);
}

/// Says what is wrong with words that name no verb.
[[noreturn]] void refuse_verb(std::vector<tool::Verb*> const& verbs, std::string const& word) {
  std::string all, nearest;
  for (tool::Verb* v : verbs) {
    const std::string name = (*v)->get_name();
    all += (all.empty() ? "" : ", ") + name;
    if (nearest.empty() || tool::distance(name, word) < tool::distance(nearest, word)) nearest = name;
  }
  if (word.empty() || word[0] == '-')
    fauna::fail("fauna", (word.empty() ? "" : "the flag " + word + " and ") + std::string("no verb"), all,
                "tools/fauna --help lists verbs and flags");
  fauna::fail("fauna", "unknown verb " + word, all, "did you mean " + nearest + '?');
}

int run(int n, char** words) {
  CLI::App app("Train small language models, sample from them, and look at them. Each model is compiled first.");
  app.name("tools/fauna")->require_subcommand(1)->set_help_flag("");
  app.set_help_all_flag("-h,--help", "print every verb with every flag");
  const auto number = [](int n) { return std::to_string(n); };
  app.set_version_flag("--version", "fauna " + number(FAUNA_VERSION_MAJOR) + '.' + number(FAUNA_VERSION_MINOR) + '.' +
                                        number(FAUNA_VERSION_PATCH));
  const std::string structure = "Model", training = "Run";
  std::string checkpoint = "out", name = "nanogpt-cpu", directory, file, to;
  std::vector<std::string> files;

  tool::Verb train_verb(app, "train", "train a model on a text, evaluate it, keep checkpoints");
  train_verb.add(settings::Named{}, structure);
  train_verb.add(settings::Structure{}, structure);
  train_verb.add(settings::Train{}, training);
  tool::Verb sample_verb(app, "sample", "write texts with a trained model");
  sample_verb
      ->add_option("checkpoint", checkpoint, "a checkpoint, or a folder with best.safetensors or last.safetensors")
      ->type_name("FILE=out");
  sample_verb.add(settings::Sample{}, training);
  tool::Verb generate_verb(app, "generate",
                           "write texts with a model directory (config.json, weights, tokenizer.json) or a checkpoint");
  generate_verb
      ->add_option("model", directory, "a model directory, a checkpoint, a folder with one, or a file of weights")
      ->type_name("DIR")
      ->required();
  generate_verb.add(settings::Generate{}, training);
  tool::Verb chat_verb(app, "chat", "talk with a model in the terminal, in its chat template");
  chat_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  chat_verb.add(settings::Chat{}, training);
  tool::Verb serve_verb(app, "serve", "serve a model over HTTP, as the OpenAI API does");
  serve_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  serve_verb.add(settings::Serve{}, training);
  tool::Verb logits_verb(app, "logits", "write the logits of some tokens as a .npy file");
  logits_verb
      ->add_option("model", directory, "a model directory, a checkpoint, a folder with one, or a file of weights")
      ->type_name("DIR")
      ->required();
  logits_verb.add(settings::Logits{}, training);
  tool::Verb perplexity_verb(app, "perplexity", "print the perplexity of a text");
  perplexity_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  perplexity_verb->add_option("text", file, "a text, UTF-8")->type_name("FILE")->required();
  perplexity_verb.add(settings::Perplexity{}, training);
  tool::Verb eval_verb(app, "eval", "measure a model by a task: choices, texts or answers");
  eval_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  eval_verb.add(settings::Eval{}, training);
  tool::Verb compare_verb(app, "compare", "compare template, ids, logits and greedy texts with a reference's");
  compare_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  compare_verb->add_option("golden", file, "what tools/oracles/smollm2.py writes")->type_name("FILE")->required();
  compare_verb.add(settings::Compare{}, training);
  tool::Verb export_verb(app, "export", "write config.json and model.safetensors, as transformers loads them");
  export_verb->add_option("model", directory, "a model directory, a checkpoint, or a folder with one")
      ->type_name("FROM")
      ->required();
  export_verb->add_option("out", to, "a folder to write")->type_name("DIR")->required();
  tool::Verb convert_verb(app, "convert",
                          "write a model directory as a GGUF file, or a GGUF file as a model directory");
  convert_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("FROM")->required();
  convert_verb->add_option("out", to, "FILE.gguf, or a folder to write")->type_name("TO")->required();
  convert_verb.add(settings::Convert{}, training);
  tool::Verb quantize_verb(app, "quantize", "write a GGUF file with its matrices in fewer bits");
  quantize_verb->add_option("model", directory, "a GGUF file in F32, F16, BF16 or Q8_0")->type_name("FILE")->required();
  quantize_verb->add_option("out", to, "the file to write")->type_name("OUT")->required();
  quantize_verb.add(settings::Convert{}, training);
  tool::Verb finetune_verb(app, "finetune", "train adapters to a model, LoRA or others, on a text or on examples");
  finetune_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  finetune_verb.add(settings::Finetune{}, training);
  tool::Verb draft_train_verb(app, "draft-train",
                              "train what drafts for a model directory, on a text: Medusa's heads, EAGLE's layer, a "
                              "smaller model");
  draft_train_verb->add_option("directory", directory, "a model directory")->type_name("DIR")->required();
  draft_train_verb.add(settings::DraftTrain{}, training);
  tool::Verb merge_verb(app, "merge", "write a model with an adapter merged into it, as transformers loads it");
  merge_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  merge_verb->add_option("adapter", file, "an adapter's folder, as peft or finetune writes it")
      ->type_name("ADAPTER")
      ->required();
  merge_verb->add_option("out", to, "a folder to write")->type_name("OUT")->required();
  tool::Verb upcycle_verb(app, "upcycle", "make a mixture of experts of a dense model directory");
  upcycle_verb->add_option("model", directory, "a model directory of llama, mistral or qwen3")
      ->type_name("DIR")
      ->required();
  upcycle_verb->add_option("out", to, "a folder to write")->type_name("OUT")->required();
  upcycle_verb.add(settings::Upcycle{}, training);
  tool::Verb tokenizer_verb(app, "tokenizer", "learn a tokenizer.json from texts: byte-pair encoding of bytes");
  tokenizer_verb.add(settings::Tokenizer{}, training);
  tool::Verb prepare_verb(app, "prepare", "turn texts of any size into files of tokens, for train --data");
  prepare_verb.add(settings::Prepare{}, training);
  for (tool::Verb* v : {&tokenizer_verb, &prepare_verb})
    (*v)->add_option("files", files, "texts, UTF-8: plain ones, or .jsonl with an object a line")
        ->type_name("FILE...")
        ->required();
  tool::Verb tokenize_verb(app, "tokenize", "print a text's tokens as ids, or what ids spell");
  tokenize_verb
      ->add_option("tokenizer", directory,
                   "a model directory, a GGUF file, or a tokenizer.json or tokenizer.model itself")
      ->type_name("FROM")
      ->required();
  tokenize_verb->add_option("text", file, "FILE:PATH for what a file contains")->type_name("TEXT");
  tokenize_verb.add(settings::Tokenize{}, training);
  tool::Verb download_verb(app, "download",
                           "fetch a model directory from a hub: $HF_ENDPOINT, with the token $HF_TOKEN");
  download_verb->add_option("model", name, "as the hub calls it")->type_name("ORG/NAME")->required();
  download_verb.add(settings::Download{}, training);
  tool::Verb explain_verb(app, "explain", "print a model's tree, what it costs, and its memory plan");
  tool::Verb type_verb(app, "type", "print a model's C++ type");
  for (tool::Verb* v : {&explain_verb, &type_verb}) {
    (*v)->add_option("model", name, tool::preset_names() + "; a checkpoint, a model directory, or a file of weights")
        ->type_name("NAME=nanogpt-cpu");
    v->add(settings::Vocabulary{}, structure);
    v->add(settings::Structure{}, structure);
  }
  explain_verb.add(settings::Explain{}, training);
  tool::Verb diff_verb(app, "diff", "compare two models: settings, blocks, and what they cost");
  for (auto const& [member, text] : {std::pair{"one", &name}, {"other", &directory}})
    diff_verb->add_option(member, *text, "a preset, a checkpoint, a model directory, or a file of weights")
        ->type_name("MODEL")
        ->required();
  diff_verb.add(settings::Diff{}, training);
  tool::Verb plan_verb(app, "plan", "rank the layouts of a model over many ranks: memory, what is sent, modelled time");
  plan_verb->add_option("model", name, "a preset, a checkpoint or a model directory")->type_name("NAME=nanogpt-cpu");
  plan_verb.add(settings::Plan{}, training);
  for (tool::Verb* v : {&train_verb, &generate_verb, &chat_verb, &serve_verb, &logits_verb, &perplexity_verb,
                        &eval_verb, &compare_verb, &export_verb, &convert_verb, &finetune_verb, &draft_train_verb,
                        &merge_verb, &upcycle_verb, &explain_verb, &diff_verb, &type_verb})
    v->add(settings::Reading{}, structure);

  const std::vector<tool::Verb*> verbs = {
      &train_verb,      &sample_verb,      &generate_verb, &chat_verb,    &serve_verb,     &logits_verb,
      &perplexity_verb, &eval_verb,        &compare_verb,  &export_verb,  &convert_verb,   &quantize_verb,
      &finetune_verb,   &draft_train_verb, &merge_verb,    &upcycle_verb, &tokenizer_verb, &prepare_verb,
      &tokenize_verb,   &download_verb,    &explain_verb,  &diff_verb,    &plan_verb,      &type_verb};
  const auto require_known = [&verbs] {
    bool any = false;
    for (tool::Verb* v : verbs)
      if (v->chosen()) v->require_known(), any = true;
    return any;
  };
  std::vector<std::string> last_first;  // as CLI11 takes them
  for (int i = n - 1; i > 0; --i) {
    std::string word = words[i];
    const bool empty = word.starts_with("--") && word.find('=') == word.size() - 1;
    if (empty) {  // --flag= is a flag with an empty text, for which CLI11 would take the next word
      word.pop_back();
      last_first.emplace_back();
    }
    last_first.push_back(word);
  }
  try {
    app.parse(last_first);
  } catch (CLI::ParseError const& e) {
    if (e.get_exit_code() == 0) {
      std::ostringstream help;
      app.exit(e, help);
      fauna::print(stdout, help.str());
      return 0;
    }
    if (!require_known()) refuse_verb(verbs, n > 1 ? words[1] : "");
    fauna::fail("fauna", e.what(), {}, "tools/fauna --help lists verbs and flags");
  }
  require_known();
  for (tool::Verb* v : verbs)
    if (v->chosen()) v->read_config();

  if (train_verb.chosen()) train(train_verb);
  if (sample_verb.chosen()) sample(sample_verb, checkpoint);
  if (generate_verb.chosen()) generate(generate_verb, directory);
  if (chat_verb.chosen()) chat(chat_verb, directory);
  if (serve_verb.chosen()) serve(serve_verb, directory);
  if (logits_verb.chosen()) logits(logits_verb, directory);
  if (compare_verb.chosen()) compare(compare_verb, directory, file);
  if (eval_verb.chosen()) eval(eval_verb, directory);
  if (perplexity_verb.chosen()) perplexity(perplexity_verb, directory, file);
  if (finetune_verb.chosen()) finetune(finetune_verb, directory);
  if (draft_train_verb.chosen()) draft_train(draft_train_verb, directory);
  if (diff_verb.chosen()) {
    diff(diff_verb, name, directory);
    return 0;
  }
  const auto done = [](tool::Verb const& verb, auto&& make) {
    if (verb.chosen()) make(verb);
    return verb.chosen();
  };
  if (done(export_verb, [&](auto& v) { export_files(v, model_of(directory), to); }) ||
      done(merge_verb, [&](auto& v) { export_files(v, directory, to, file); }) ||
      done(convert_verb, [&](auto& v) { convert(v, directory, to); }) ||
      done(quantize_verb, [&](auto& v) { quantize(v, directory, to); }) ||
      done(upcycle_verb, [&](auto& v) { upcycle(v, directory, to); }) ||
      done(tokenizer_verb, [&](auto& v) { learn_tokenizer(v, files); }) ||
      done(prepare_verb, [&](auto& v) { prepare(v, files); }) ||
      done(tokenize_verb, [&](auto& v) { tokenize(v, directory, file); }) ||
      done(download_verb, [&](auto& v) { download(v, name); }))
    return 0;
  if (plan_verb.chosen()) {
    settings::Plan s;
    plan_verb.apply(s);
    plan(plan_verb, name, s);
    return 0;
  }
  if (type_verb.chosen()) {
    fauna::print(stdout, described_model(type_verb, name).type + '\n');
    return 0;
  }
  settings::Explain s;
  explain_verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("batch-size", s.batch_size, 1);
  whole("context", s.context, 0);
  const tool::Described d = with_planned_adapters(described_model(explain_verb, name), s, name);
  const bool for_inference = !s.quantize.empty() && s.finetune.empty();
  if (for_inference) check_quantize(s.quantize, s.dtype);
  const std::string program = tool::program_for(d, for_inference ? tool::in_blocks : s.dtype, "explain");
  if (!s.json) fauna::print(stdout, d.type + "\n\n");
  tool::become(program, settings::arguments(s));
}

}  // namespace

int main(int n, char** words) {
  try {
    return run(n, words);
  } catch (std::exception const& e) {
    // What all ranks have to say, rank 0 says at once, and its end is theirs.
    const int rank = tool::started_rank();
    if (rank > 0) ::sleep(3);
    std::fprintf(stderr, "%s%s\n", rank > 0 ? ("[rank " + std::to_string(rank) + "] ").c_str() : "", e.what());
    return 1;
  }
}
