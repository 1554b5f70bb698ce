// The endpoints, over HTTP. A request has a thread of cpp-httplib's, which parses, tokenizes, waits for the worker's
// pieces and writes them; the model runs in the worker's alone.
#pragma once
#include <sys/socket.h>

#include <httplib.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tools/src/say.hpp>
#include <tools/src/serve/connection.hpp>
#include <tools/src/serve/conversation.hpp>
#include <tools/src/serve/grammars.hpp>
#include <tools/src/serve/keys.hpp>
#include <tools/src/serve/metrics.hpp>
#include <tools/src/serve/openapi/openapi.hpp>
#include <tools/src/serve/page/page.hpp>
#include <tools/src/serve/reply.hpp>
#include <tools/src/serve/request.hpp>
#include <tools/src/serve/worker.hpp>

namespace tool::serve {

/// What is served, and to whom.
struct Site {
  fauna::Bpe const& tokenizer;
  std::optional<Conversation> chat;  ///< none: the model has no template
  std::vector<std::string> models;   ///< names of the model and of its adapters, in the order of the worker's engines
  std::string fingerprint;
  int context;
  Keys keys;
  long seconds;  ///< that a request may take; 0: any number
};

class Server {
 public:
  static constexpr std::size_t body_bytes = 16U << 20U;  ///< of a request at most

  /// `requests`: that may run or wait, each of which holds a thread. All others are referred to.
  Server(Site const& site, Metrics& metrics, Worker& worker, int requests)
      : site_(site), metrics_(metrics), worker_(worker), grammars_(site.tokenizer, worker.vocab(), worker.stop_ids()) {
    http_.new_task_queue = [requests] {
      return new httplib::ThreadPool(static_cast<std::size_t>(requests) + spare_threads);
    };
    http_.set_tcp_nodelay(true);
    http_.set_keep_alive_max_count(1000);
    http_.set_read_timeout(10);
    http_.set_write_timeout(60);  // who does not read for so long is gone
    // Not SO_REUSEPORT: two servers on one port would share what comes.
    http_.set_socket_options([](int socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    // cpp-httplib reads no body of methods that usually have none: what is there would be taken for the next request.
    http_.set_pre_routing_handler([](Http const& q, Answer& a) {
      const bool body = q.has_header("Transfer-Encoding") || q.has_header("Content-Length");
      if (body && q.method != "POST" && q.method != "PUT" && q.method != "PATCH") {
        a.set_header("Connection", "close");
        Connection::here().be_last();
      }
      return httplib::Server::HandlerResponse::Unhandled;
    });
    http_.set_error_handler([this](Http const& q, Answer& a) {
      if (!a.body.empty()) return;
      // Of what it does not understand cpp-httplib reads no more, of a line with another method not even the path.
      if (a.status == 400) Connection::here().be_last();
      const std::string path = q.path.empty() ? q.target.substr(0, q.target.find_first_of("?#")) : q.path,
                        allowed = endpoints_.allowed(path);
      const bool other_method = !allowed.empty() && allowed.find(q.method) == std::string::npos;
      if (a.status == 404 || other_method) no_such(q.method, path, a);
      else answer(a, Refusal(a.status, "The request is not understood.", "invalid_request_error"));
    });
    http_.set_logger([this](Http const& q, Answer const& a) { metrics_.request(handler(q), method(q), a.status); });
    http_.Get(endpoints_.pattern("GET", "/health"), [](Http const&, Answer& a) { answer(a, {{"status", "ok"}}); });
    http_.Get(endpoints_.pattern("GET", "/openapi.json"),
              [](Http const&, Answer& a) { a.set_content(openapi.data(), openapi.size(), "application/json"); });
    http_.Get(endpoints_.pattern("GET", "/"), [policy = page_policy()](Http const&, Answer& a) {
      a.set_header("Content-Security-Policy", policy);
      a.set_header("X-Content-Type-Options", "nosniff");
      a.set_header("Referrer-Policy", "no-referrer");
      a.set_header("Cache-Control", "no-cache");
      a.set_content(page.data(), page.size(), "text/html; charset=utf-8");
    });
    get("/v1/models", [this](Http const&) { return Reply{{"object", "list"}, {"data", models()}}; });
    get("/v1/models/{model}", [this](Http const& q) { return model(model_of(q.matches[1])); });
    http_.Get(endpoints_.pattern("GET", "/metrics"), [this](Http const& q, Answer& a) {
      guarded(a, [&] {
        authorise(q);
        const int waiting = worker_.waiting(), running = std::max(0, begun_ - waiting);
        a.set_content(metrics_.text(running, waiting), "text/plain; version=0.0.4; charset=utf-8");
      });
    });
    post("/v1/completions", [this](Http const&, Answer& a, Fields const& f) { completions(a, f); });
    post("/v1/chat/completions", [this](Http const&, Answer& a, Fields const& f) { chat(a, f); });
    post("/v1/embeddings", [this](Http const&, Answer& a, Fields const& f) { embeddings(a, f); });
    post("/tokenize", [this](Http const&, Answer& a, Fields const& f) {
      (void)f.need("content");
      answer(a, {{"tokens", site_.tokenizer.encode(f.text("content"), {.match_special = f.flag("parse_special", true),
                                                                       .add_special = f.flag("add_special")})}});
    });
    post("/detokenize", [this](Http const&, Answer& a, Fields const& f) {
      Json const& list = f.need("tokens");
      if (!list.is_array()) Fields::wrong("tokens", list, "a list of ids");
      std::vector<int> ids;
      for (Json const& id : list) ids.push_back(Fields::whole_of("tokens", id, 0, worker_.vocab() - 1));
      answer(a, {{"content", site_.tokenizer.decode(ids, false)}});
    });
    // What has a body and no place: read here, within bounds.
    const auto nowhere = [this](Http const& q, Answer& a, httplib::ContentReader const& reader) {
      guarded(a, [&] {
        (void)read(q, reader);
        no_such(q.method, q.path, a);
      });
    };
    http_.Post(".*", nowhere).Put(".*", nowhere).Patch(".*", nowhere).Delete(".*", nowhere);
  }

  /// Takes a port, any for 0; which one. Who connects from now on waits for run().
  int bind(std::string const& host, int port) {
    const int got = port == 0 ? http_.bind_to_any_port(host) : http_.bind_to_port(host, port) ? port : -1;
    if (got <= 0)
      fauna::fail("serve", "cannot listen on " + host + " port " + std::to_string(port),
                  "an address of this machine and a port that is free");
    return got;
  }
  /// Serves until stop().
  void run() {
    http_.listen_after_bind();
    ended_ = true;
  }
  /// Ends run(), once all texts that were begun are with their clients: cpp-httplib would cut a stream off. The worker
  /// is closed, so none is begun any more.
  void stop() {
    while (!ended_ && (!http_.is_running() || begun_ > 0)) std::this_thread::sleep_for(patience);
    http_.stop();
  }

 private:
  using Http = httplib::Request;
  using Answer = httplib::Response;
  static constexpr std::size_t spare_threads = 256;          ///< for those that are refused, or kept open and idle
  static constexpr std::chrono::milliseconds patience{100};  ///< from one look at a connection to the next

  static void answer(Answer& a, Reply const& reply) { a.set_content(text_of(reply), "application/json"); }
  static void answer(Answer& a, Refusal const& r) {
    a.status = r.status;
    if (r.status == 401) a.set_header("WWW-Authenticate", "Bearer");
    if (r.status == 429 || r.status == 503) a.set_header("Retry-After", "1");
    answer(a, error_reply(r));
  }

  /// The endpoint as metrics name it: one of few, whatever is asked for.
  std::string handler(Http const& q) const {
    const std::string endpoint = endpoints_.of(q.path);
    return endpoint.empty() ? "other" : endpoint;
  }
  static std::string method(Http const& q) {
    for (const char* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
      if (q.method == method) return method;
    return "other";
  }
  /// Answers what is no endpoint, or not with this method.
  void no_such(std::string const& method, std::string const& path, Answer& a) const {
    const std::string allowed = endpoints_.allowed(path), what = "There is no " + method + ' ' + path;
    if (allowed.empty()) return answer(a, Refusal(404, what + '.', "invalid_request_error", "", "unknown_url"));
    a.set_header("Allow", allowed);
    answer(a, Refusal(405, what + ", but " + allowed + '.', "invalid_request_error", "", "method_not_allowed"));
  }
  /// Runs `work`; what it throws becomes the answer.
  template <class F> static void guarded(Answer& a, F&& work) {
    try {
      work();
    } catch (Refusal const& r) {
      answer(a, r);
    } catch (std::exception const& e) {  // what it says may name files
      say(std::string("a request failed: ") + e.what());
      answer(a, Refusal(500, "The server failed to answer; it says more where it was started.", "server_error"));
    }
  }
  template <class F> void get(const char* path, F reply) {
    http_.Get(endpoints_.pattern("GET", path), [this, reply](Http const& q, Answer& a) {
      guarded(a, [&] {
        authorise(q);
        answer(a, reply(q));
      });
    });
  }
  /// handle(request, answer, fields of its body)
  template <class F> void post(const char* path, F handle) {
    http_.Post(endpoints_.pattern("POST", path),
               [this, handle](Http const& q, Answer& a, httplib::ContentReader const& reader) {
                 guarded(a, [&] {
                   // cpp-httplib 0.11 takes a chunk that does not end as one should for the body's end, and what
                   // follows for the next request.
                   if (q.has_header("Transfer-Encoding")) {
                     a.set_header("Connection", "close");
                     Connection::here().be_last();
                   }
                   const std::string body = read(q, reader);
                   authorise(q);
                   handle(q, a, Fields(body));
                 });
               });
  }
  /// The body. Of one that is too large the rest is read and forgotten, within bounds: most clients hear the answer
  /// only when they have sent all.
  static std::string read(Http const& q, httplib::ContentReader const& reader) {
    constexpr std::size_t most = std::size_t{1} << 30U;
    std::string body;
    std::size_t bytes = 0;
    const auto take = [&](const char* data, std::size_t n) {
      bytes += n;
      if (bytes <= body_bytes) body.append(data, n);
      return bytes <= most;
    };
    const bool form = q.is_multipart_form_data();
    const bool whole = form ? reader([](auto const&) { return true; }, take) : reader(take);
    // What follows an unread rest is no request.
    if (!whole) Connection::here().close_after_answer();
    if (bytes > body_bytes)
      throw Refusal(413, "The body is larger than " + std::to_string(body_bytes) + " bytes.", "invalid_request_error");
    if (form) throw bad_request("The body is a form, expected JSON.");
    if (!whole) throw bad_request("The body could not be read.");
    return body;
  }

  void authorise(Http const& q) const {
    if (!site_.keys.needed()) return;
    const std::string bearer = "Bearer ", header = q.get_header_value("Authorization");
    const std::string key = header.starts_with(bearer) ? header.substr(bearer.size()) : q.get_header_value("X-Api-Key");
    if (site_.keys.allow(key)) return;
    throw Refusal(401, key.empty() ? "There is no API key in the request." : "The API key is not one of this server's.",
                  "authentication_error", "", "invalid_api_key");
  }
  /// Which engine a request means: it may leave the model out, but not name one that is not here.
  std::size_t model_of(std::string const& name) const {
    auto const& all = site_.models;
    if (name.empty()) return 0;
    const auto found = std::find(all.begin(), all.end(), name);
    if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
    std::string have;
    for (std::string const& one : all) have += (have.empty() ? "'" : ", '") + one + '\'';
    throw Refusal(404, "The model '" + name + "' is not here: this server has " + have + '.', "invalid_request_error",
                  "model", "model_not_found");
  }
  Reply model(std::size_t i) const {
    return {{"id", site_.models[i]},
            {"object", "model"},
            {"created", started_},
            {"owned_by", "fauna"},
            {"parent", i == 0 ? Reply() : Reply(site_.models[0])},
            {"max_model_len", site_.context}};
  }
  Reply models() const {
    Reply all = Reply::array();
    for (std::size_t i = 0; i < site_.models.size(); ++i) all.push_back(model(i));
    return all;
  }

  void completions(Answer& a, Fields const& f) {
    Request r = completion_request(f, worker_.vocab());
    std::vector<std::vector<int>> prompts;
    std::vector<std::string> echoes;
    for (Prompt const& p : r.prompts) {
      const auto* text = std::get_if<std::string>(&p);
      prompts.push_back(ids_of(p));
      if (!r.suffix.empty()) prompts.back() = around_middle(p, r.suffix);
      if (r.echo) echoes.push_back(text != nullptr ? *text : site_.tokenizer.decode(prompts.back()));
    }
    serve(a, endpoint::completions, std::move(r), std::move(prompts), "prompt", std::move(echoes));
  }
  std::vector<int> ids_of(Prompt const& p) const {
    const auto* text = std::get_if<std::string>(&p);
    return text != nullptr ? site_.tokenizer.encode(*text) : std::get<std::vector<int>>(p);
  }
  /// A prompt and what stands behind the text, so that the model fills in the middle (Bavarian et al. 2022, section 3:
  /// prefix, suffix, middle), by whichever special tokens the tokenizer has for it. Throws where it has none.
  std::vector<int> around_middle(Prompt const& before, std::string const& suffix) const {
    fauna::Bpe const& t = site_.tokenizer;
    for (const std::array<const char*, 3> marks : {std::array{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
                                                   std::array{"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
                                                   std::array{"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
                                                   std::array{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"}}) {
      if (std::any_of(marks.begin(), marks.end(), [&t](const char* mark) { return t.id(mark) < 0; })) continue;
      std::vector<int> ids = t.encode("");  // what it puts before every text
      const auto add = [&ids](std::vector<int> const& more) { ids.insert(ids.end(), more.begin(), more.end()); };
      ids.push_back(t.id(marks[0]));
      const auto* text = std::get_if<std::string>(&before);
      add(text != nullptr ? t.encode(*text, {.add_special = false}) : std::get<std::vector<int>>(before));
      ids.push_back(t.id(marks[1]));
      add(t.encode(suffix, {.add_special = false}));
      ids.push_back(t.id(marks[2]));
      return ids;
    }
    throw bad_request("'suffix' is not available here: the model's tokenizer has no tokens for it.", "suffix",
                      "unsupported_parameter");
  }
  void embeddings(Answer& a, Fields const& f) {
    const EmbeddingRequest r = embedding_request(f, worker_.vocab(), worker_.width());
    const std::size_t model = model_of(r.model);
    std::vector<std::vector<int>> texts;
    for (Prompt const& p : r.inputs) {
      const auto* text = std::get_if<std::string>(&p);  // what spells a special token in it is text
      texts.push_back(text != nullptr ? site_.tokenizer.encode(*text, {.match_special = false}) : ids_of(p));
    }
    require_room(texts, "input");
    const auto task = std::make_shared<Embeddings>(std::move(texts), deadline(), model);
    const std::shared_ptr<void> begun = counted();
    worker_.submit(task);
    const Connection connection = Connection::here();
    progress now = progress::waits;
    while ((now = task->wait_for_end(patience)) <= progress::runs)
      if (!connection.alive()) return task->cancel();
    require_done(now);
    answer(a, embeddings_reply(site_.models[model], *task, r.base64));
  }
  void chat(Answer& a, Fields const& f) {
    Request r = chat_request(f, worker_.vocab());
    if (!site_.chat)
      throw bad_request("This model has no chat template that can be read: /v1/completions takes a whole prompt.", "",
                        "no_chat_template");
    if (!r.shape.calls.of.empty()) {
      r.shape.calls.style = site_.chat->calls();
      for (const std::string_view tag : call_tags)
        if (const int id = site_.tokenizer.id(tag); id >= 0 && site_.tokenizer.special(id))
          r.drawing.shown.push_back(id);
    }
    std::vector<int> ids = site_.chat->ids(r);
    serve(a, endpoint::chat, std::move(r), {std::move(ids)}, "messages", {});
  }

  void serve(Answer& a, endpoint of, Request r, std::vector<std::vector<int>> prompts, const char* param,
             std::vector<std::string> echoes) {
    const std::size_t model = model_of(r.model);
    require_room(prompts, param);
    if (!r.drawing.seed) r.drawing.seed = random_bits();
    r.drawing.grammar = grammars_.of(r.shape);
    const auto job = std::make_shared<Job>(std::move(prompts), r.n, std::move(r.drawing), deadline(), metrics_, model);
    auto replies = Replies(of, new_id(), site_.models[model], site_.fingerprint, site_.tokenizer, *job, r.shape.calls,
                           std::move(echoes));
    const std::shared_ptr<void> begun = counted();
    worker_.submit(job);
    const Connection connection = Connection::here();
    progress now = progress::waits;
    while ((now = job->wait_for_start(patience)) == progress::waits)
      if (!connection.alive()) return job->cancel();  // nobody hears the answer
    require_done(now);
    if (r.stream) return stream(a, job, std::move(replies), connection, r.include_usage, begun);
    for (std::optional<Piece> piece; (now = job->next(piece, patience)) == progress::runs;) {
      if (!connection.alive()) return job->cancel();
      if (piece) replies.add(std::move(*piece));
    }
    require_done(now);
    answer(a, replies.whole());
  }
  /// A token to begin with, and no more than the context has room for.
  void require_room(std::vector<std::vector<int>> const& prompts, const char* param) const {
    for (auto const& prompt : prompts) {
      if (prompt.empty()) throw bad_request(std::string("'") + param + "' has no token to go on from.", param);
      if (prompt.size() > static_cast<std::size_t>(site_.context))
        throw bad_request("'" + std::string(param) + "' has " + std::to_string(prompt.size()) +
                              " tokens, expected at most the context of " + std::to_string(site_.context) + '.',
                          param, "context_length_exceeded");
    }
  }
  /// Throws where a task has come to another end.
  void require_done(progress now) const {
    if (now == progress::refused) throw Worker::closing();
    if (now == progress::failed) throw failed();
    if (now == progress::late) throw late();
  }
  Task::clock::time_point deadline() const {
    return site_.seconds > 0 ? Task::clock::now() + std::chrono::seconds(site_.seconds)
                             : Task::clock::time_point::max();
  }
  /// Lives as long as a request is not answered yet.
  std::shared_ptr<void> counted() {
    ++begun_;
    return {&begun_, [](std::atomic<int>* count) { --*count; }};
  }
  Refusal late() const {
    return {504, "The request took longer than " + std::to_string(site_.seconds) + " s.", "timeout_error"};
  }
  static Refusal failed() { return {500, "The model failed to answer.", "server_error"}; }

  /// Server-sent events: a chunk a piece, then what it has cost, then [DONE].
  void stream(Answer& a, std::shared_ptr<Job> const& job, Replies first, Connection connection, bool with_usage,
              std::shared_ptr<void> const& begun) const {
    a.set_header("Cache-Control", "no-cache");
    a.set_header("X-Accel-Buffering", "no");  // no proxy gathers pieces
    const auto replies = std::make_shared<Replies>(std::move(first));
    const auto next = [=, this](httplib::DataSink& sink) {
      const auto send = [&sink](std::string const& data) {
        const std::string event = "data: " + data + "\n\n";
        return sink.write(event.data(), event.size());
      };
      if (!connection.alive()) return false;
      std::optional<Piece> piece;
      const progress now = job->next(piece, patience);
      if (piece) {
        for (Reply const& chunk : replies->chunks(*piece, with_usage))
          if (!send(text_of(chunk))) return false;
        return true;
      }
      if (now == progress::runs) return true;
      if (now == progress::done && job->cancelled()) return false;  // given up: not to be taken for whole
      if (now == progress::failed) send(text_of(error_reply(failed())));
      else if (now == progress::late) send(text_of(error_reply(late())));
      else if (with_usage) send(text_of(replies->usage_chunk()));
      if (now == progress::done) send("[DONE]");
      sink.done();
      return true;
    };
    a.set_chunked_content_provider(
        "text/event-stream",
        [next](std::size_t, httplib::DataSink& sink) {
          try {
            return next(sink);
          } catch (std::exception const& e) {
            say(std::string("a stream failed: ") + e.what());
            return false;
          }
        },
        [job, begun](bool) { job->cancel(); });
  }

  static std::uint64_t random_bits() {
    std::random_device device;
    return std::uint64_t{device()} << 32U | device();
  }
  static std::string new_id() {
    char id[33];
    std::snprintf(id, sizeof id, "%016llx%016llx", static_cast<unsigned long long>(random_bits()),
                  static_cast<unsigned long long>(random_bits()));
    return id;
  }

  Site const& site_;
  Metrics& metrics_;
  Worker& worker_;
  Grammars grammars_;
  long started_ = static_cast<long>(std::time(nullptr));
  std::atomic<int> begun_ = 0;  ///< requests for texts that are not answered yet
  std::atomic<bool> ended_ = false;
  Endpoints endpoints_;
  Connections http_;
};

}  // namespace tool::serve
