// The presets for characters have nanoGPT's CPU model's parameters, up to 3 %; of a mixture those that meet a token.
#include <fauna/models/bloom.hpp>
#include <fauna/models/cohere2.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/models/exaone4.hpp>
#include <fauna/models/falcon.hpp>
#include <fauna/models/falcon_h1.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/gemma.hpp>
#include <fauna/models/gemma2.hpp>
#include <fauna/models/gemma3.hpp>
#include <fauna/models/glm4.hpp>
#include <fauna/models/glm4_moe.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/gpt_oss.hpp>
#include <fauna/models/gptj.hpp>
#include <fauna/models/granite.hpp>
#include <fauna/models/granite_hybrid.hpp>
#include <fauna/models/kimi_linear.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/llama4.hpp>
#include <fauna/models/mistral.hpp>
#include <fauna/models/mpt.hpp>
#include <fauna/models/nemotron.hpp>
#include <fauna/models/olmo.hpp>
#include <fauna/models/olmo2.hpp>
#include <fauna/models/olmo3.hpp>
#include <fauna/models/opt.hpp>
#include <fauna/models/phi.hpp>
#include <fauna/models/phi3.hpp>
#include <fauna/models/qwen2.hpp>
#include <fauna/models/qwen2_moe.hpp>
#include <fauna/models/qwen3.hpp>
#include <fauna/models/qwen3_5.hpp>
#include <fauna/models/smollm3.hpp>
#include <fauna/models/stablelm.hpp>
#include <fauna/models/starcoder2.hpp>
#include <fauna/models/zamba2.hpp>

using namespace fauna;

namespace {

template <class M>
constexpr bool small = [] {
  long n = 0;
  if constexpr (requires { M::active_parameters; }) n = M::active_parameters;
  else n = M::parameters;
  return 100 * n > 97L * 804096 && 100 * n < 103L * 804096 && context_of<M> >= 64;
}();

static_assert(small<BloomShakespeare>);
static_assert(small<Cohere2Shakespeare>);
static_assert(small<DeepseekV2Shakespeare>);
static_assert(small<Exaone4Shakespeare>);
static_assert(small<FalconShakespeare>);
static_assert(small<FalconH1Shakespeare>);
static_assert(small<FalconMambaShakespeare>);
static_assert(small<GemmaShakespeare>);
static_assert(small<Gemma2Shakespeare>);
static_assert(small<Gemma3Shakespeare>);
static_assert(small<Glm4Shakespeare>);
static_assert(small<Glm4MoeShakespeare>);
static_assert(small<GptNeoXShakespeare>);
static_assert(small<GptOssShakespeare>);
static_assert(small<GptJShakespeare>);
static_assert(small<GraniteShakespeare>);
static_assert(small<GraniteHybridShakespeare>);
static_assert(small<KimiLinearShakespeare>);
static_assert(small<LlamaShakespeare>);
static_assert(small<Llama4Shakespeare>);
static_assert(small<MistralShakespeare>);
static_assert(small<MptShakespeare>);
static_assert(small<NemotronShakespeare>);
static_assert(small<OlmoShakespeare>);
static_assert(small<Olmo2Shakespeare>);
static_assert(small<Olmo3Shakespeare>);
static_assert(small<OptShakespeare>);
static_assert(small<PhiShakespeare>);
static_assert(small<Phi3Shakespeare>);
static_assert(small<Qwen2Shakespeare>);
static_assert(small<Qwen2MoeShakespeare>);
static_assert(small<Qwen3Shakespeare>);
static_assert(small<Qwen35Shakespeare>);
static_assert(small<Qwen35MoeShakespeare>);
static_assert(small<SmolLm3Shakespeare>);
static_assert(small<StableLmShakespeare>);
static_assert(small<StarCoder2Shakespeare>);
static_assert(small<Zamba2Shakespeare>);

}  // namespace
