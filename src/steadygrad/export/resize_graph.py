"""The arithmetic of images/resize.py as an ONNX graph, level for level, for pictures of any size.

torch's uint8 antialiased interpolation (like Pillow's) filters along the rows, rounds to whole
levels, filters down the columns and rounds again, with the weights of a triangle filter stored
in 16-bit fixed point. A float `Resize` rounds neither weights nor rows and differs by a level at
many pixels; so the two weight matrices are built in the graph, in whole numbers:

    distance(i, j) = |(2j + 1) · new − (2i + 1) · old|     between pixel centres, times 2 · new
    height(i, j) = max(0, 2 · max(old, new) − distance)    the triangle, wider where it shrinks
    stored(i, j) = round(height / Σ height · 2^p)          p: the most whose weights fit 16 bits

Sums of products are exact in float32 up to shrinking by two, and beyond that a pixel in 50,000
of a 12-megapixel picture is off by one level (docs/deploy.md).
"""

from __future__ import annotations

import onnx
import onnx.helper
import onnx.inliner
import onnx.parser

from steadygrad.errors import choose
from steadygrad.images.resize import BLUE_WEIGHT, GREEN_WEIGHT, RED_WEIGHT

# What torch's exporter translates the network to by itself: a newer opset would be a second
# conversion, and fewer runtimes read it.
OPSET = 18
_IR_VERSION = 10

_HEADER = f'<domain: "steadygrad", opset_import: ["" : {OPSET}, "steadygrad" : 1]>'

# 2^1 … 2^22: torch tries precisions up to 22 bits.
_POWERS = ", ".join(str(2**power) for power in range(1, 23))

_TO_LEVELS = """
to_levels (values) => (levels)
{
  half = Constant<value_float = 0.5>()
  lowest = Constant<value_float = 0.0>()
  highest = Constant<value_float = 255.0>()
  shifted = Add(values, half)
  whole = Floor(shifted)
  levels = Clip(whole, lowest, highest)
}
"""

_ODD = """
odd (index) => (odd_number)
{
  one = Constant<value_int = 1>()
  two = Constant<value_int = 2>()
  even = Mul(index, two)
  odd_number = Add(even, one)
}
"""

_TRIANGLE = """
triangle (old_index, new_index, old, new) => (heights)
{
  zero = Constant<value_int = 0>()
  two = Constant<value_int = 2>()
  old_odd = steadygrad.odd(old_index)
  new_odd = steadygrad.odd(new_index)
  old_centre = Mul(old_odd, new)
  new_centre = Mul(new_odd, old)
  difference = Sub(old_centre, new_centre)
  distance = Abs(difference)
  wider = Max(old, new)
  support = Mul(wider, two)
  height = Sub(support, distance)
  heights = Max(height, zero)
}
"""

# The largest 2^p for which every weight of the whole filter fits 16 bits. All `new` rows count,
# those cropped away too, but only the few pixels that each one reaches are looked at.
_UNIT = f"""
unit (old, new) => (largest_power)
{{
  zero = Constant<value_int = 0>()
  one = Constant<value_int = 1>()
  two = Constant<value_int = 2>()
  five = Constant<value_int = 5>()
  first = Constant<value_ints = [0]>()
  last = Constant<value_ints = [1]>()
  num_new = Squeeze(new)
  new_index = Range(zero, num_new, one)
  new_column = Unsqueeze(new_index, last)
  new_odd = steadygrad.odd(new_column)
  centre = Mul(new_odd, old)
  wider = Max(old, new)
  support = Mul(wider, two)
  left = Sub(centre, support)
  new_twice = Mul(new, two)
  left_pixel = Div(left, new_twice)
  nearest = Sub(left_pixel, two)
  reach = Div(support, new)
  reach_number = Squeeze(reach)
  num_reached = Add(reach_number, five)
  steps = Range(zero, num_reached, one)
  old_index = Add(nearest, steps)
  not_before = GreaterOrEqual(old_index, zero)
  not_after = Less(old_index, old)
  is_inside = And(not_before, not_after)
  inside = Cast<to = 7>(is_inside)
  unbounded = steadygrad.triangle(old_index, new_column, old, new)
  heights = Mul(unbounded, inside)
  total = ReduceSum<keepdims = 1>(heights, last)
  highest = ReduceMax<keepdims = 1>(heights, last)
  powers = Constant<value_ints = [{_POWERS}]>()
  limit = Constant<value_int = 32768>()
  stored = steadygrad.store(highest, total, powers)
  largest = ReduceMax<keepdims = 0>(stored, first)
  fits = Less(largest, limit)
  fits_number = Cast<to = 7>(fits)
  allowed = Mul(fits_number, powers)
  largest_allowed = ReduceMax<keepdims = 0>(allowed)
  largest_power = Max(largest_allowed, one)
}}
"""

_STORE = """
store (heights, total, unit) => (stored)
{
  two = Constant<value_int = 2>()
  heights_twice = Mul(heights, two)
  scaled = Mul(heights_twice, unit)
  shifted = Add(scaled, total)
  total_twice = Mul(total, two)
  stored = Div(shifted, total_twice)
}
"""

# Rows [start, start + count) of the filter from `old` to `new` pixels, float32 (count, old).
_WEIGHTS = """
weights (old, new, start, count) => (filter)
{
  zero = Constant<value_int = 0>()
  one = Constant<value_int = 1>()
  last = Constant<value_ints = [1]>()
  num_old = Squeeze(old)
  old_index = Range(zero, num_old, one)
  end = Add(start, count)
  start_number = Squeeze(start)
  end_number = Squeeze(end)
  new_index = Range(start_number, end_number, one)
  new_column = Unsqueeze(new_index, last)
  heights = steadygrad.triangle(old_index, new_column, old, new)
  total = ReduceSum<keepdims = 1>(heights, last)
  unit = steadygrad.unit(old, new)
  stored = steadygrad.store(heights, total, unit)
  stored_float = Cast<to = 1>(stored)
  unit_float = Cast<to = 1>(unit)
  filter = Div(stored_float, unit_float)
}
"""

# round(side · size / reference), half up, at least 1: images.resize.resized_shape.
_NEW_SIDE = """
new_side (side, reference, size) => (new)
{
  one = Constant<value_int = 1>()
  two = Constant<value_int = 2>()
  scaled = Mul(side, size)
  scaled_twice = Mul(scaled, two)
  shifted = Add(scaled_twice, reference)
  reference_twice = Mul(reference, two)
  rounded = Div(shifted, reference_twice)
  new = Max(rounded, one)
}
"""

# From one side to its filter, and the black pixels before and after it.
_SIDE = """
side_filter (old, new, size) => (filter, before, after)
{
  two = Constant<value_int = 2>()
  count = Min(new, size)
  beyond = Sub(new, count)
  start = Div(beyond, two)
  filter = steadygrad.weights(old, new, start, count)
  empty = Sub(size, count)
  before = Div(empty, two)
  after = Sub(empty, before)
}
"""

_FUNCTIONS = (
    _TO_LEVELS, _ODD, _TRIANGLE, _STORE, _UNIT, _WEIGHTS, _NEW_SIDE, _SIDE
)  # fmt: skip

_SQUASH = """
  new_height = Identity(size)
  new_width = Identity(size)
"""

_KEEP_RATIO = """
  reference = {reference}(height, width)
  new_height = steadygrad.new_side(height, reference, size)
  new_width = steadygrad.new_side(width, reference, size)
"""

_NEW_SIDES = {
    "squash": _SQUASH,
    "crop": _KEEP_RATIO.format(reference="Min"),
    "pad": _KEEP_RATIO.format(reference="Max"),
}

_GRAY = f"""
  luma_weights = Constant<value = float[1, 3, 1, 1]
    {{{RED_WEIGHT / 65536}, {GREEN_WEIGHT / 65536}, {BLUE_WEIGHT / 65536}}}>()
  luma_parts = Mul(colour, luma_weights)
  channel = Constant<value_ints = [1]>()
  luma = ReduceSum<keepdims = 1>(luma_parts, channel)
  squares = steadygrad.to_levels(luma)
"""

_COLOUR = """
  squares = Identity(colour)
"""


def resize_model(size: int, channels: int, how: str) -> onnx.ModelProto:
    """pixels uint8 (N, H, W, 3) → squares float32 (N, channels, size, size), whole 0–255.

    `how` is squash, crop or pad. `channels` 1 turns colour to gray after the resize.
    """
    text = f"""
<ir_version: {_IR_VERSION}, opset_import: ["" : {OPSET}, "steadygrad" : 1]>
resize (uint8[N, H, W, 3] pixels) => (float[N, {channels}, {size}, {size}] squares)
{{
  shape = Shape(pixels)
  second = Constant<value_ints = [1]>()
  third = Constant<value_ints = [2]>()
  fourth = Constant<value_ints = [3]>()
  zeros = Constant<value_ints = [0, 0]>()
  size = Constant<value_ints = [{size}]>()
  height = Slice(shape, second, third)
  width = Slice(shape, third, fourth)
{choose("way to resize", how, _NEW_SIDES)}
  across, left, right = steadygrad.side_filter(width, new_width, size)
  down, top, bottom = steadygrad.side_filter(height, new_height, size)
  bytes = Transpose<perm = [0, 3, 1, 2]>(pixels)
  planes = Cast<to = 1>(bytes)
  across_columns = Transpose<perm = [1, 0]>(across)
  rows_exact = MatMul(planes, across_columns)
  rows = steadygrad.to_levels(rows_exact)
  columns_exact = MatMul(down, rows)
  window = steadygrad.to_levels(columns_exact)
  border = Concat<axis = 0>(zeros, top, left, zeros, bottom, right)
  padded = Pad(window, border)
  square = Constant<value_ints = [0, 3, {size}, {size}]>()
  colour = Reshape(padded, square)
{_GRAY if channels == 1 else _COLOUR}
}}
"""
    functions = "".join(_HEADER + function for function in _FUNCTIONS)
    model = onnx.inliner.inline_local_functions(onnx.parser.parse_model(text + functions))
    # Nothing of our own domain is left; runtimes that know only ONNX's own must not be put off.
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    return model
