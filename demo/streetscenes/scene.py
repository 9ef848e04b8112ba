"""One scene from beginning to end: plan the street, paint it from back to front, photograph it."""

from __future__ import annotations

import cv2
import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP
from demo.streetscenes.layout import Item, furnish, in_view, painters_order
from demo.streetscenes.nature import paint_sky
from demo.streetscenes.sensor import develop, make_camera, make_light
from demo.streetscenes.street import Street, paint_ground


def _shadows(canvas: Canvas, items: list[Item]) -> None:
    """Darken the ground where the sun does not reach, and right beneath vehicles and feet."""
    light, camera = canvas.light, canvas.camera
    mask = np.zeros(canvas.label.shape, np.uint8)
    dx, dy, dz = light.direction
    reach = min(1.0 / max(dy, 0.2), 3.0)
    strength, contact = int(255 * light.shadow), 125
    (x0, x1), (z0, z1) = np.array([item.x for item in items]).T, np.array([item.z for item in items]).T
    box = np.stack([np.stack([x0, x1, x1, x0], -1), np.stack([z0, z0, z1, z1], -1)], axis=-1)
    throw = np.array([item.height for item in items])[:, None, None] * np.array([-dx * reach, -dz * reach])
    if strength:
        _fill_hulls(canvas, mask, np.concatenate([box, box + throw], axis=1), strength)
    _fill_hulls(canvas, mask, box[[item.heavy for item in items]], contact)
    soft = cv2.blur(mask, (max(1, camera.width // 170), max(1, camera.width // 340)))
    keep = cv2.bitwise_not(soft)
    keep[canvas.label == pal.SKY] = 255
    cv2.multiply(canvas.image, cv2.cvtColor(keep, cv2.COLOR_GRAY2RGB), canvas.image, 1 / 255)


def _fill_hulls(canvas: Canvas, mask: np.ndarray, points: np.ndarray, value: int) -> None:
    """Fill the convex hulls of N sets of ground points (x, z) [N, K, 2], cut off near the camera."""
    near = canvas.camera.eye[2] + 1.5
    ground = np.stack(
        [points[..., 0], np.full(points.shape[:2], 0.03), np.maximum(points[..., 1], near)], axis=-1
    )
    for pixels in np.rint(canvas.camera.pixels(ground) * 16).astype(np.int32):
        cv2.fillConvexPoly(mask, cv2.convexHull(pixels), value, cv2.LINE_8, 4)


def _bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """The own car's bonnet at the image's lower edge, in some scenes; it is of no class."""
    if rng.random() > 0.4:
        return
    height, width = canvas.label.shape
    rise, paint = float(rng.uniform(0.04, 0.09)), pal.grey(rng, 0.05, 0.6)
    t = np.linspace(-0.02, 1.02, 24)
    arc = np.stack([t * width, height * (1 - rise * (1 - (2 * t - 1) ** 4))], axis=-1)
    outline = np.rint(np.concatenate([arc, [(1.1 * width, 1.1 * height), (-0.1 * width, 1.1 * height)]]) * 16)
    color = canvas.light.shade([paint], np.array([UP]), np.zeros(1))[0].tolist()
    cv2.fillPoly(canvas.image, [outline.astype(np.int32)], color, cv2.LINE_AA, 4)
    cv2.fillPoly(canvas.label, [outline.astype(np.int32)], pal.EGO, cv2.LINE_8, 4)


def render_scene(
    seed: int, index: int, width: int = 1024, height: int = 512, ahead: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one road scene.

    The same (seed, index) gives the same bytes, and at another size of the same shape, the same scene.

    Args:
        seed: names the data set; any integer >= 0.
        index: names the scene within it; any integer >= 0.
        width, height: size in pixels, meant to be 2:1.
        ahead: how far the camera has driven on, in metres: the next frame of a video.

    Returns:
        The image, uint8 [H, W, 3], RGB, and its labels, uint8 [H, W], Cityscapes' labelIds.
    """
    plan_rng, draw_rng, sensor_rng = (np.random.default_rng([seed, index, part]) for part in range(3))
    camera, light = make_camera(plan_rng, width, height, ahead), make_light(plan_rng)
    canvas = Canvas(camera, light)
    street = Street.draw_plan(plan_rng)
    items = furnish(street, plan_rng)
    paint_sky(canvas, draw_rng)
    paint_ground(canvas, street, draw_rng)
    _shadows(canvas, items)
    seen = np.flatnonzero(in_view(camera, items))
    for i in seen[painters_order([items[i] for i in seen], camera.eye[0])].tolist():
        items[i].draw(canvas, rng=np.random.default_rng([seed, index, 3, i]))
    canvas.flush()
    _bonnet(canvas, draw_rng)
    image = develop(canvas, sensor_rng)
    if plan_rng.random() < 0.4:  # a country that drives on the left
        image, label = image[:, ::-1], canvas.label[:, ::-1]
        return np.ascontiguousarray(image), np.ascontiguousarray(label)
    return image, canvas.label
