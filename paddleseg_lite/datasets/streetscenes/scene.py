"""One scene from beginning to end: plan the street, paint it from back to front, photograph it."""

from __future__ import annotations

import cv2
import numpy as np

from paddleseg_lite.datasets.streetscenes import palette as pal
from paddleseg_lite.datasets.streetscenes.canvas import Canvas
from paddleseg_lite.datasets.streetscenes.geometry import UP
from paddleseg_lite.datasets.streetscenes.layout import Item, furnish, in_view, painters_order
from paddleseg_lite.datasets.streetscenes.nature import paint_sky
from paddleseg_lite.datasets.streetscenes.sensor import develop, make_camera, make_light
from paddleseg_lite.datasets.streetscenes.street import Street, paint_ground


def _shadows(canvas: Canvas, items: list[Item]) -> None:
    """Darken the ground where the sun does not reach, and right beneath vehicles and feet."""
    light, camera = canvas.light, canvas.camera
    mask = np.zeros(canvas.label.shape, np.uint8)
    dx, dy, dz = light.direction
    reach = min(1.0 / max(dy, 0.2), 3.0)
    strength, contact = int(255 * light.shadow), 125
    for item in items if strength else ():
        _hull(canvas, mask, item, (-dx * reach * item.height, -dz * reach * item.height), strength)
    for item in items:
        if item.heavy:
            _hull(canvas, mask, item, (0.0, 0.0), contact)
    soft = cv2.blur(mask, (max(1, camera.width // 170), max(1, camera.width // 340)))
    keep = cv2.bitwise_not(soft)
    keep[canvas.label == pal.SKY] = 255
    cv2.multiply(canvas.image, cv2.cvtColor(keep, cv2.COLOR_GRAY2RGB), canvas.image, 1 / 255)


def _hull(canvas: Canvas, mask: np.ndarray, item: Item, shift: tuple[float, float], value: int) -> None:
    """Fill the convex hull of an item's ground box and of the same box shifted by its height's shadow."""
    (x0, x1), (z0, z1) = item.x, item.z
    base = np.array([(x0, z0), (x1, z0), (x1, z1), (x0, z1)])
    points = np.concatenate([base, base + shift]).astype(np.float32)
    hull = cv2.convexHull(points)[:, 0]
    ground = np.stack([hull[:, 0], np.full(len(hull), 0.03), hull[:, 1]], axis=-1)[None]
    for polygon in canvas.outline(ground):
        cv2.fillConvexPoly(mask, polygon, value, cv2.LINE_8, 4)


def _bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """The own car's bonnet at the image's lower edge, in some scenes; it is of no class."""
    if rng.random() > 0.4:
        return
    height, width = canvas.label.shape
    rise, paint = float(rng.uniform(0.04, 0.09)), pal.grey(rng, 0.05, 0.6)
    t = np.linspace(-0.02, 1.02, 24)
    arc = np.stack([t * width, height * (1 - rise * (1 - (2 * t - 1) ** 4))], axis=-1)
    outline = np.rint(np.concatenate([arc, [(1.1 * width, 1.1 * height), (-0.1 * width, 1.1 * height)]]) * 16)
    colour = canvas.light.shade([paint], np.array([UP]), np.zeros(1))[0].tolist()
    cv2.fillPoly(canvas.image, [outline.astype(np.int32)], colour, cv2.LINE_AA, 4)
    cv2.fillPoly(canvas.label, [outline.astype(np.int32)], pal.EGO, cv2.LINE_8, 4)


def render_scene(
    seed: int, index: int, width: int = 1024, height: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one road scene.

    The same (seed, index) gives the same scene at every size of the same shape, and the same bytes at the same size.

    Args:
        seed: names the data set; any integer >= 0.
        index: names the scene within it; any integer >= 0.
        width, height: size in pixels, meant to be 2:1.

    Returns:
        The image, uint8 [H, W, 3], RGB, and its labels, uint8 [H, W], Cityscapes' labelIds.
    """
    plan_rng, draw_rng, sensor_rng = (np.random.default_rng([seed, index, part]) for part in range(3))
    camera, light = make_camera(plan_rng, width, height), make_light(plan_rng)
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
