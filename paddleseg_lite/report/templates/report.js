"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse(document.getElementById("data").textContent);
  const hidden = new Set();
  let palette = "own";

  // Sorting: numbers in data-value, what has none comes last whichever way.
  for (const button of all("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), body = head.closest("table").tBodies[0];
      const now = head.getAttribute("aria-sort");
      const down = now ? now === "ascending" : head.dataset.kind !== "text";
      all("th[aria-sort]", head.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[head.cellIndex].dataset.value;
      const compare = (a, b) => head.dataset.kind === "text" ? a.localeCompare(b) : a - b;
      const rows = all("tr", body).map((row) => [value(row), row]);
      rows.sort(([a], [b]) => (a === "") - (b === "") || (down ? compare(b, a) : compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  }

  // Sliders, and what is seen on their two sides.
  for (const slider of all(".stage input")) {
    slider.addEventListener("input", () => slider.parentNode.style.setProperty("--at", slider.value + "%"));
  }
  for (const side of ["left", "right"]) {
    const choice = document.getElementById(side);
    choice.addEventListener("change", () => { document.querySelector(".views").dataset[side] = choice.value; });
  }
  // The choices are far away from a picture for who has no mouse.
  for (const slider of all(".stage input")) {
    slider.addEventListener("keydown", (event) => {
      const [, number] = /^Digit([1-4])$/.exec(event.code) || [];
      if (!number || event.ctrlKey || event.altKey || event.metaKey) return;
      const choice = document.getElementById(event.shiftKey ? "left" : "right");
      choice.selectedIndex = number - 1;
      choice.dispatchEvent(new Event("change"));
    });
  }

  // A map is a PNG of class ids: other colors are another palette in the same file.
  const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });
  const crc = (bytes) => ~bytes.reduce((c, byte) => crcTable[(c ^ byte) & 255] ^ (c >>> 8), -1) >>> 0;
  const files = new Map();
  const fileOf = (image) => {
    if (!files.has(image)) {
      const text = atob(image.src.slice(image.src.indexOf(",") + 1));
      files.set(image, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    }
    return files.get(image);
  };
  const repaint = (image) => {
    const bytes = fileOf(image), view = new DataView(bytes.buffer);
    const colors = image.classList.contains("errors") ? errorColors() : classColors();
    for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
      const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8)), size = view.getUint32(at);
      if (kind !== "PLTE" && kind !== "tRNS") continue;
      colors.forEach((color, id) => {
        if (kind === "PLTE") bytes.set(color.slice(0, 3), at + 8 + 3 * id);
        else bytes[at + 8 + id] = color[3];
      });
      view.setUint32(at + 8 + size, crc(bytes.subarray(at + 4, at + 8 + size)));
    }
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  };
  const dimmed = [70, 70, 70, 190], seenThrough = data.errors[data.right];
  const classColors = () => data.palettes[palette].map((rgb, id) => hidden.has(id) ? dimmed : [...rgb, 255]);
  const errorColors = () => data.errors.map((rgba, id) => id >= data.right ? rgba
    : hidden.has(id) ? seenThrough : [...data.wrong[palette], 255]);
  const repaintAll = () => all(".layer").forEach(repaint);

  document.getElementById("palette").addEventListener("change", (event) => {
    palette = document.documentElement.dataset.palette = event.target.value;
    repaintAll();
  });

  // The filter of classes.
  const boxes = all(".chips input"), summary = document.getElementById("shown");
  const filter = () => {
    hidden.clear();
    boxes.forEach((box, id) => { if (!box.checked) hidden.add(id); });
    all("[data-class]").forEach((part) => { part.hidden = hidden.has(+part.dataset.class); });
    all("[data-pair]").forEach((part) => {
      part.hidden = part.dataset.pair.split(" ").every((id) => hidden.has(+id));
    });
    summary.textContent = hidden.size ? `${boxes.length - hidden.size} of ${boxes.length}` : "all";
    repaintAll();
  };
  boxes.forEach((box) => box.addEventListener("change", filter));
  for (const button of all("button[data-check]")) {
    button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = button.dataset.check === "all"; });
      filter();
    });
  }
})();
