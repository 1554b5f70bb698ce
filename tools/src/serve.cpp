// The server of a model, before the engine of whichever model (engine.hpp) the program is linked with. It is
// started as  PROGRAM serve DIRECTORY STOP-IDS NAME=VALUE...
#include <malloc.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>

#include <fauna/backend/cpu.hpp>
#include <fauna/decode/adapter.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/main.hpp>
#include <tools/src/named.hpp>
#include <tools/src/serve/curves.hpp>
#include <tools/src/serve/server.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/token_list.hpp>
#include <tools/src/tokenizers.hpp>

namespace {

using namespace tool::serve;

sem_t stop_asked;

/// Has SIGINT and SIGTERM ask for a stop, once: the second time they end the process, as they did before.
void stop_on_signals() {
  sem_init(&stop_asked, 0, 0);
  struct sigaction action {};
  action.sa_handler = [](int) { sem_post(&stop_asked); };
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

/// The template of a model, where it has one; else why there is no chat.
std::optional<Conversation> chat_of(fauna::Bpe const& tokenizer, std::string const& directory) try {
  return Conversation(tokenizer, directory);
} catch (fauna::error const& e) {
  tool::say(std::string("no /v1/chat/completions: ") + e.what());
  return std::nullopt;
}

/// Tells programs apart, which another model's type, another compiler or other sources make: the end of its path.
std::string fingerprint(std::string const& program) {
  return "fp_" + sha256(program.substr(program.rfind('/', program.rfind('/') - 1) + 1)).substr(0, 10);
}

/// Tokens of a prompt and its text at most, where the flag asks for so many and the model has a context of its own.
int context_of(long asked, int own) {
  constexpr int without = 8192;  // of a model that has none: a text must end
  if (asked > own)
    fauna::fail("serve", "--context " + std::to_string(asked), "at most the model's " + std::to_string(own));
  if (asked > 0) return static_cast<int>(asked);
  return own == fauna::unbounded ? without : own;
}

/// Bytes of what drafts of s.draft have for a text, beside a cache of their own model: rows that the trunk gave, and of
/// an EAGLE layer what it reads of other layers, and its keys and values, which are no wider than two rows.
std::size_t draft_bytes(std::string const& how, tool::Engine const& engine, int context) {
  const std::size_t rows = !tool::behind("eagle:", how).empty()         ? 6
                           : tool::is_tree_of_rows(how) || how == "mtp" ? 1
                                                                        : 0;
  return rows * static_cast<std::size_t>(engine.width()) * static_cast<std::size_t>(context) * sizeof(float);
}

/// Texts at once, where the flag does not say: their contexts are whole in half of the machine's memory.
int parallel_of(settings::Serve const& s, tool::Engine& engine, std::size_t engines, tool::Engine const* draft,
                int context) {
  if (s.parallel > 0) return static_cast<int>(s.parallel);
  constexpr std::size_t usual = 8;
  const auto pages = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)),
             page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // What cannot be cut is kept a second time, at the end of its prompt, and with drafts again before these, after the
  // token before that, and with what its recurrences were given of a draft; and the model that drafts has a cache.
  const std::size_t kept = engine.slots(1, 1, 1, false)->cuts() ? 1
                           : s.draft.empty()                    ? 2
                                                                : 6,
                    of_draft = (draft != nullptr ? draft->slot_bytes(std::min(context, draft->context())) : 0) +
                               draft_bytes(s.draft, engine, context),
                    each = engines * (kept * engine.slot_bytes(context) + of_draft),
                    fit = each == 0 ? usual : pages * page / 2 / each;
  if (fit >= usual) return static_cast<int>(usual);
  const int some = fit > 0 ? static_cast<int>(fit) : 1;
  tool::say(std::to_string(some) + " texts at once: a context of " + std::to_string(context) + " tokens may take " +
            std::to_string(each >> 20U) + " MB; --parallel and --context say otherwise");
  return some;
}

int serve(settings::Told<settings::Serve> const& s, std::string const& from, std::string const& stops,
          std::string const& program) {
  const auto tokenizer = tool::bpe_of(s.tokenizer.empty() ? from : s.tokenizer);
  tool::Engine& engine = tool::engine(s.engine);
  const std::vector<int> stop_ids =
      stops.empty() ? std::vector<int>{} : tool::token_list("eos_token_id", stops, engine.vocab());
  const int context = context_of(s.context, engine.context());
  std::vector<std::string> names{s.name};
  for (std::string const& lora : s.lora) names.push_back(tool::named("--lora", lora).name);
  const Site site{tokenizer, chat_of(tokenizer, from),   names,     fingerprint(program),
                  context,   Keys::read(s.api_key_file), s.time_out};
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  std::vector<Model> models{&engine};
  std::vector<std::unique_ptr<tool::Engine>> merged;
  {
    const fauna::TensorFile file = fauna::open_tensors(from);
    engine.load(file, threads, s.quantize);
    for (std::string const& lora : s.lora) {
      const auto [name, folder] = tool::named("--lora", lora);
      const fauna::Adapter adapter(folder);
      models.emplace_back(&engine, engine.add(adapter, file));
      if (models.back().adapter != fauna::no_adapter) continue;
      tool::say(name + " has what can only be merged: it takes memory for weights of its own");
      fauna::TensorFile changed = fauna::open_tensors(from);
      adapter.merge_into(changed);
      merged.push_back(tool::make_engine(s.engine));
      merged.back()->load(changed, threads, s.quantize);
      models.back() = merged.back().get();
    }
  }
  std::unique_ptr<tool::Engine> draft;
  if (!s.draft_engine.empty()) {
    draft = tool::make_engine(s.draft_engine);
    draft->load(fauna::open_tensors(s.draft_weights), threads);
  }
  const std::string pool_file = tool::pool_of(s.draft);
  std::optional<fauna::PoolDrafter> pool;
  if (!pool_file.empty()) pool = tool::pool_in(pool_file, s.vocabulary);
  Metrics metrics;
  const std::size_t engines = 1 + merged.size();
  const int parallel = parallel_of(s, engine, engines, draft.get(), context), queue = static_cast<int>(s.queue);
  Worker worker(models, tokenizer, stop_ids,
                {.context = context,
                 .chunk = static_cast<int>(s.chunk),
                 .parallel = parallel,
                 .drafts = {.how = s.draft,
                            .model = draft.get(),
                            .most = static_cast<int>(s.draft_max),
                            .nodes = static_cast<int>(s.draft_nodes),
                            .threads = threads,
                            .pool = pool ? &*pool : nullptr}},
                queue);
  if (s.profile > 0) worker.profile(static_cast<int>(s.profile), s.trace);
  std::optional<Curves> curves;
  if (!s.tensorboard.empty()) curves.emplace(s.tensorboard, metrics);
  Server server(site, metrics, worker, parallel * static_cast<int>(engines) + queue);
  const int port = server.bind(s.host, static_cast<int>(s.port));

  stop_on_signals();
  const std::string host = s.host.find(':') == std::string::npos ? s.host : '[' + s.host + ']';
  fauna::print(stdout, "listening on http://" + host + ':' + std::to_string(port) + '\n');
  std::thread works([&worker] { worker.run(); });
  std::thread waits([&worker, &server] {
    while (sem_wait(&stop_asked) != 0) {}  // interrupted
    tool::say("finishing what runs; once more ends at once");
    worker.close();
    server.stop();
  });
  server.run();
  sem_post(&stop_asked);  // should it have ended by itself
  waits.join();
  works.join();
  if (pool) pool->save(pool_file);
  return 0;
}

int run(int n, char** arguments) {
  if (n < 4) fauna::fail("fauna", "no verb, directory and ids", "all three; this program is started by tools/fauna");
  // Each of some hundred threads would else have memory of its own that the others cannot use again.
  ::mallopt(M_ARENA_MAX, 1);
  // A large body's memory goes back to the system; the limit would else grow with the largest that was freed.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  settings::Told<settings::Serve> s;
  settings::read(s, n - 4, arguments + 4);
  return serve(s, arguments[2], arguments[3], arguments[0]);
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
