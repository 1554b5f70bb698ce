// Every op's reference: what Ref<S> runs.
#pragma once
#include <fauna/ops/activation/ref.hpp>
#include <fauna/ops/adamw/ref.hpp>
#include <fauna/ops/add/ref.hpp>
#include <fauna/ops/attention/ref.hpp>
#include <fauna/ops/clip/ref.hpp>
#include <fauna/ops/conv/ref.hpp>
#include <fauna/ops/cross_entropy/ref.hpp>
#include <fauna/ops/dropout/ref.hpp>
#include <fauna/ops/embedding/ref.hpp>
#include <fauna/ops/gated/ref.hpp>
#include <fauna/ops/gemm/ref.hpp>
#include <fauna/ops/layer_norm/ref.hpp>
#include <fauna/ops/rms_norm/ref.hpp>
#include <fauna/ops/rope/ref.hpp>
#include <fauna/ops/scan/ref.hpp>
#include <fauna/ops/sgd/ref.hpp>
