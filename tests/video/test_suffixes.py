import subprocess
import sys

from frozenvl.data.shards.keys import IMAGE_SUFFIXES
from frozenvl.video.suffixes import CLIP_ENDINGS, VIDEO_SUFFIXES


def test_no_suffix_is_one_of_images():
    assert not {*VIDEO_SUFFIXES} & {*IMAGE_SUFFIXES} and ".mp4" in CLIP_ENDINGS


def test_options_and_suffixes_need_no_large_package():
    look = "import sys, frozenvl.video.suffixes, frozenvl.video.arguments\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "PIL", "av"} & {*done.stdout.split()}
