// The published counts of parameters of the presets whose layers are of several kinds.
#include <fauna/core/concepts.hpp>
#include <fauna/models/falcon_h1.hpp>
#include <fauna/models/granite_hybrid.hpp>
#include <fauna/models/jamba.hpp>
#include <fauna/models/kimi_linear.hpp>
#include <fauna/models/lfm2.hpp>
#include <fauna/models/qwen3_5.hpp>
#include <fauna/models/recurrent_gemma.hpp>
#include <fauna/models/samba.hpp>
#include <fauna/models/zamba2.hpp>

using namespace fauna;

static_assert(JambaShakespeare::active_parameters == 813'688);
static_assert(JambaV01::parameters == 51'570'323'328 && JambaV01::active_parameters == 12'110'311'296);
static_assert(Jamba15Large::parameters == 398'555'145'696);
static_assert(!ConstantState<JambaV01> && context_of<JambaV01> == 262'144);

static_assert(Granite4HMicro::parameters == 3'191'396'096);
static_assert(Granite4HTiny::parameters == 6'939'037'248 && Granite4HTiny::active_parameters == 1'465'470'528);
static_assert(Granite4HSmall::parameters == 32'207'337'984 && Granite4HSmall::active_parameters == 8'803'121'664);

static_assert(Lfm2Shakespeare::parameters == 797'440);
static_assert(Lfm2_350M::parameters == 354'483'968);
static_assert(Lfm2_700M::parameters == 742'489'344);
static_assert(Lfm2_1_2B::parameters == 1'170'340'608);

static_assert(RecurrentGemmaShakespeare::parameters == 809'664);
static_assert(Qwen3NextShakespeare::active_parameters == 802'744);
static_assert(RecurrentGemma2B::parameters == 2'682'862'080);
static_assert(RecurrentGemma9B::parameters == 8'579'977'216);

static_assert(SambaShakespeare::parameters == 815'872);
static_assert(Samba421M::parameters == 421'793'280);
static_assert(Samba1_3B::parameters == 1'330'207'488);

static_assert(FalconH1_0_5B::parameters == 521'411'104);

// Where only round numbers are published, what the reference implementation counts: without what drafts, and without
// what sees.
static_assert(Qwen3Next_80B_A3B::parameters == 79'674'391'296 && Qwen3Next_80B_A3B::active_parameters == 3'874'929'408);
static_assert(!ConstantState<Qwen3Next_80B_A3B> && context_of<Qwen3Next_80B_A3B> == 262'144);
static_assert(Qwen35_0_8B::parameters == 752'393'024);
static_assert(Qwen35_4B::parameters == 4'205'751'296);
static_assert(Qwen35_27B::parameters == 26'895'998'464);
static_assert(Qwen35_35B_A3B::parameters == 34'660'610'688);
// Published with the corrections of the choice, 256 in each of 26 layers, which are no parameters here.
static_assert(KimiLinear_48B_A3B::parameters + 26 * 256 == 49'122'681'728);

static_assert(Zamba2_1_2B::parameters == 1'215'064'704);
