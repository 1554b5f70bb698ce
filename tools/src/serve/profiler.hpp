// Where the time of a server's steps goes: the blocks of the model within each, as a trace and as a table.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <fauna/io/file.hpp>
#include <fauna/train/profile.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/say.hpp>

namespace tool::serve {

class Profiler {
 public:
  /// Times `steps` of these engines' into a file. The first that there is goes by: it touches memory that is new.
  Profiler(std::vector<Engine*> engines, int steps, std::string file)
      : engines_(std::move(engines)), to_come_(steps + 1), steps_(steps), file_(std::move(file)) {}
  Profiler(Profiler const&) = delete;
  Profiler& operator=(Profiler const&) = delete;
  /// A server that ends sooner has made fewer steps.
  ~Profiler() {
    if (to_come_ > 0 && to_come_ < steps_) finish();
  }

  /// What `one` returns: has anything been done? What is not a block's own is the step's: drafts, and drawing tokens.
  template <class F> bool step(F const& one) {
    if (to_come_ == 0) return one();
    if (to_come_ > steps_) {
      const bool done = one();
      to_come_ -= done ? 1 : 0;
      return done;
    }
    profile_.begin("step", "serve");
    watch(profile_.tap());
    const bool done = one();
    watch(nullptr);                               // embeddings are read between steps
    while (profile_.depth() > 1) profile_.end();  // of blocks that an error has left
    if (done) profile_.end();
    else profile_.forget();
    if (done && --to_come_ == 0) finish();
    return done;
  }

 private:
  void watch(fauna::Tap<float> const* tap) {
    for (Engine* engine : engines_) engine->watch(tap);
  }
  // A file that cannot be written stops nobody from being served.
  void finish() try {
    fauna::write_file(file_, profile_.trace());
    say("where the time of " + std::to_string(steps_ - to_come_) + " steps went, by " + file_ + ":\n" +
        profile_.table());
  } catch (fauna::error const& e) {
    say(e.what());
  }

  std::vector<Engine*> engines_;
  int to_come_, steps_;
  std::string file_;
  fauna::Profile<float> profile_;
};

}  // namespace tool::serve
