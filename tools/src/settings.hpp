// Every flag once: its name, default and meaning. The launcher's parser, its help, and the compiled program all read
// these lists.
#pragma once
#include <tools/src/settings/data.hpp>
#include <tools/src/settings/inference.hpp>
#include <tools/src/settings/models.hpp>
#include <tools/src/settings/training.hpp>
#include <tools/src/settings/values.hpp>
