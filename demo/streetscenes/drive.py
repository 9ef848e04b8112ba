"""Draw a photo and a short video of a drive along a street, for those who have none of their own.

  python -m demo.streetscenes.drive --save_dir output/street/drawn

Writes photo.png, a scene of StreetScenes, and drive.mp4, a drive into it. What a network that was trained on
photos makes of drawings says little of what it makes of a street.
"""

import argparse
from pathlib import Path

import cv2

from demo.streetscenes.scene import render_scene
from paddleseg_lite.inference.video_io import Frame
from paddleseg_lite.inference.video_opencv import OpenCVWriter

SCENE = (7, 5)  # seed and index of one in which the lane ahead is free
SIZE = (640, 320)
RATE, FRAMES, SPEED = 12.0, 36, 2.5  # frames/s, frames, m/s: before it reaches the next vehicle it ends


def draw(save_dir: Path) -> tuple[Path, Path]:
    """Write the photo and the video into a folder; return their paths."""
    save_dir.mkdir(parents=True, exist_ok=True)
    photo, video = save_dir / "photo.png", save_dir / "drive.mp4"
    cv2.imwrite(str(photo), render_scene(*SCENE, *SIZE)[0][:, :, ::-1])
    writer = OpenCVWriter(str(video), video, RATE)
    for number in range(FRAMES):
        frame = Frame(render_scene(*SCENE, *SIZE, ahead=number * SPEED / RATE)[0])
        writer.write(frame.picture, frame)
    writer.close()
    return photo, video


def main() -> None:
    """Run the command with the arguments of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save_dir", type=Path, required=True, help="folder to write to")
    print("drawn:", *draw(parser.parse_args().save_dir))


if __name__ == "__main__":
    main()
