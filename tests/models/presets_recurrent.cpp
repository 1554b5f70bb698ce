// The published counts of parameters of the presets with recurrent mixers, and that their state has one size.
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>

using namespace fauna;

static_assert(MambaShakespeare::parameters == 708'096);
static_assert(Mamba_130M::parameters == 129'135'360);
static_assert(Mamba_370M::parameters == 371'516'416);
static_assert(Mamba_790M::parameters == 793'204'224);
static_assert(Mamba_1_4B::parameters == 1'372'178'432);
static_assert(Mamba_2_8B::parameters == 2'768'345'600);
static_assert(ConstantState<Mamba_130M> && context_of<Mamba_130M> == unbounded);

static_assert(Mamba2Shakespeare::parameters == 804'936);
static_assert(Mamba2_130M::parameters == 128'989'632);
static_assert(Mamba2_370M::parameters == 368'346'624);
static_assert(Mamba2_780M::parameters == 780'161'280);
static_assert(Mamba2_1_3B::parameters == 1'343'757'312);
static_assert(Mamba2_2_7B::parameters == 2'702'599'680);
static_assert(ConstantState<Mamba2_130M> && context_of<Mamba2_130M> == unbounded);

static_assert(FalconMamba_7B::parameters == 7'272'665'088);
static_assert(ConstantState<FalconMamba_7B> && context_of<FalconMamba_7B> == unbounded);

static_assert(Rwkv4Shakespeare::parameters == 800'000);
static_assert(Rwkv4_169M::parameters == 169'342'464);
static_assert(Rwkv4_430M::parameters == 430'397'440);
static_assert(Rwkv4_1_5B::parameters == 1'515'106'304);
static_assert(Rwkv4_3B::parameters == 2'984'627'200);
static_assert(Rwkv4_7B::parameters == 7'392'649'216);
static_assert(Rwkv4_14B::parameters == 14'148'597'760);
static_assert(ConstantState<Rwkv4_169M> && context_of<Rwkv4_169M> == unbounded);

static_assert(Rwkv5Shakespeare::parameters == 795'072);
static_assert(Rwkv5_0_1B::parameters == 192'807'936);
static_assert(Rwkv5_0_4B::parameters == 461'721'600);
static_assert(Rwkv5_1_5B::parameters == 1'577'754'624);
static_assert(Rwkv5_3B::parameters == 3'062'999'040);
static_assert(Rwkv5_7B::parameters == 7'518'044'160);
static_assert(ConstantState<Rwkv5_0_1B> && context_of<Rwkv5_0_1B> == unbounded);

static_assert(Rwkv6Shakespeare::parameters == 805'440);
static_assert(Rwkv6_0_1B::parameters == 196'955'136);
static_assert(Rwkv6_0_4B::parameters == 472'780'800);
static_assert(Rwkv6_1_5B::parameters == 1'599'873'024);
static_assert(Rwkv6_3B::parameters == 3'099'863'040);
static_assert(Rwkv6_7B::parameters == 7'635'746'816);
static_assert(Rwkv6_14B::parameters == 14'069'088'256);
static_assert(ConstantState<Rwkv6_0_1B> && context_of<Rwkv6_0_1B> == unbounded);

static_assert(Rwkv7Shakespeare::parameters == 794'784);
static_assert(Rwkv7_191M::parameters == 191'034'624);
static_assert(Rwkv7_450M::parameters == 450'767'872);
static_assert(Rwkv7_1_5B::parameters == 1'527'404'544);
static_assert(Rwkv7_2_9B::parameters == 2'947'735'040);
static_assert(ConstantState<Rwkv7_191M> && context_of<Rwkv7_191M> == unbounded);

static_assert(RetNetShakespeare::parameters == 804'224);
static_assert(GlaShakespeare::parameters == 808'832);
static_assert(DeltaNetShakespeare::parameters == 808'320);
static_assert(GatedDeltaNetShakespeare::parameters == 802'208);
static_assert(KdaShakespeare::parameters == 801'168);
static_assert(MlstmShakespeare::parameters == 804'640);
static_assert(RgLruShakespeare::parameters == 809'728);
static_assert(Mamba3Shakespeare::parameters == 803'360);
static_assert(ConstantState<GatedDeltaNetShakespeare> && context_of<GatedDeltaNetShakespeare> == unbounded);
