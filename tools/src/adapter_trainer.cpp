// The trainer of one model's adapters.
#include <tools/src/adapting.hpp>

#include <fauna/train/train.hpp>
#include <tools/src/adapter_trainer.hpp>

namespace {

class Trainer final : public tool::AdapterTrainer {
 public:
  explicit Trainer(tool::AdapterSettings const& s) : of_(s.seed, s.threads, s.lora_plus, s.base) {}

  int threads() const override { return of_.model.threads(); }
  int context() const override { return fauna::context_of<Model>; }
  std::size_t trained() const override { return of_.trained; }
  std::size_t frozen() const override { return of_.frozen; }
  fauna::MemoryPlan planned() const override { return of_.model.planned(); }
  void start(fauna::TensorFile base, bool pissa) override { of_.start(std::move(base), pissa); }
  fauna::TrainReport train(fauna::Split const& text, fauna::TrainOptions const& o) override {
    return fauna::train(of_.model, text, o);
  }
  double evaluate(fauna::Tokens const& text, int context, int sequences) override {
    return fauna::evaluate(of_.model, text, context, sequences);
  }
  void load(std::string const& checkpoint) override { fauna::load_checkpoint(checkpoint, of_.model); }
  void save(std::string const& out) override { of_.save(out); }

 private:
  tool::Adapting of_;
};

}  // namespace

int tool::with_adapters(AdapterSettings const& s, std::function<int(AdapterTrainer&)> const& f) {
  Trainer trainer(s);
  return f(trainer);
}
