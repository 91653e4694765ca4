#!/usr/bin/env bash
# Pillow 13.0.0, Python 3.11: the transparent colour of a PNG with 2 or 4 bits of grey is ignored.
#
# A PNG without an alpha channel may name one transparent colour (chunk tRNS), in the bits of the file: 10 of 0 … 15 with 4 bits. Pillow
# scales the pixels to 0 … 255, keeps `info["transparency"]` as 10, and compares the two when it converts to RGBA. So nothing is
# transparent, or another grey is. With 8 and 1 bits it is right.
#
# Effect: the ground of such a drawing is opaque, in the colour that was meant to be unseen (often black).
# What helps: scale `info["transparency"]` by 255 / (2 ** bits - 1), where `bits` is byte 24 of the file.
#
# Run:      bash findings/pillow_ignores_transparent_grey_below_8_bits.sh      (installs Pillow into a temporary venv)
# Prints:
#   2 bits: grey [0, 85, 170, 255], opacity [255, 255, 255, 255], right is [255, 255, 0, 255]
#   4 bits: grey [0, 85, 170, 255], opacity [255, 255, 255, 255], right is [255, 255, 0, 255]
#   8 bits: grey [0, 85, 170, 255], opacity [255, 255, 0, 255], right is [255, 255, 0, 255]
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pillow==13.0.0" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import io
import struct
import zlib

import PIL.Image


def png(bits, row, transparent):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    data = chunk(b"tRNS", struct.pack(">H", transparent)) + chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


for bits, row, transparent in (
    (2, bytes([0b00_01_10_11]), 2),
    (4, bytes([0x05, 0xAF]), 10),
    (8, bytes([0, 85, 170, 255]), 170),
):
    image = PIL.Image.open(io.BytesIO(png(bits, row, transparent)))
    opacity = list(image.convert("RGBA").tobytes())[3::4]
    print(f"{bits} bits: grey {list(image.tobytes())}, opacity {opacity}, right is [255, 255, 0, 255]")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
2 bits: grey [0, 85, 170, 255], opacity [255, 255, 255, 255], right is [255, 255, 0, 255]
4 bits: grey [0, 85, 170, 255], opacity [255, 255, 255, 255], right is [255, 255, 0, 255]
8 bits: grey [0, 85, 170, 255], opacity [255, 255, 0, 255], right is [255, 255, 0, 255]
SEEN
) && echo "as described"
