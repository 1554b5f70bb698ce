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
    const bool timed = to_come_ <= steps_;
    if (timed) profile_.begin("step", "serve");
    if (!one()) {
      if (timed) profile_.forget();
      return false;
    }
    if (timed) profile_.end();
    if (--to_come_ == steps_) watch(profile_.tap());
    if (to_come_ == 0) finish();
    return true;
  }

 private:
  void watch(fauna::Tap<float> const* tap) {
    for (Engine* engine : engines_) engine->watch(tap);
  }
  // A file that cannot be written stops nobody from being served.
  void finish() try {
    watch(nullptr);
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
