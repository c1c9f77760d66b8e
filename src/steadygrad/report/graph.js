/* Boxes that open and close. The rows come from the page (graph_layout.plan); `place` is the same
   as graph_layout.place, and the numbers below are those of graph_picture.py. */
(() => {
  "use strict";
  const SVG = document.querySelector("svg")?.namespaceURI; // none on a page without pictures
  const PADDING = 16, HEADING = 26, LINE = 15, STRIPE = 6, STRAIGHT = 20, MARGIN = 24;
  const PAPER_WIDTH = 680, PAPER_HEIGHT = 460; // pixels of half a page, which any paper has room for
  const GAP_X = 26, GAP_BEND = 14, GAP_Y = 42, GAP_PORT = 16, PLACINGS = 16;

  const element = (name, attributes, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const words = (x, y, text, kind) => element("text", { x, y, class: kind }, text);

  function neighbours(routes, total) {
    const above = Array.from({ length: total }, () => []);
    const below = Array.from({ length: total }, () => []);
    for (const route of routes) {
      for (let i = 1; i < route.length; i += 1) {
        above[route[i]].push(route[i - 1]);
        below[route[i - 1]].push(route[i]);
      }
    }
    return { above, below };
  }

  function spread(layer, xs, sizes, count) {
    const offsets = [0];
    for (let i = 1; i < layer.length; i += 1) {
      const gap = Math.max(layer[i - 1], layer[i]) < count ? GAP_X : GAP_BEND;
      offsets.push(offsets[i - 1] + sizes[layer[i - 1]].width + gap);
    }
    const blocks = [];
    layer.forEach((item, i) => {
      let mean = xs[item] - offsets[i], number = 1;
      while (blocks.length && blocks[blocks.length - 1][0] > mean) {
        const [other, size] = blocks.pop();
        mean = (mean * number + other * size) / (number + size);
        number += size;
      }
      blocks.push([mean, number]);
    });
    let i = 0;
    for (const [mean, number] of blocks) {
      for (let k = 0; k < number; k += 1, i += 1) xs[layer[i]] = mean + offsets[i];
    }
  }

  function findChains(above, below) {
    const after = new Map();
    below.forEach((next, item) => {
      if (next.length === 1 && above[next[0]].length === 1) after.set(item, next[0]);
    });
    const inner = new Set(after.values()), chains = [];
    for (const item of [...after.keys()].filter((key) => !inner.has(key))) {
      const chain = [item];
      while (after.has(chain[chain.length - 1])) chain.push(after.get(chain[chain.length - 1]));
      chains.push(chain);
    }
    return chains;
  }

  function straighten(chains, xs, sizes) {
    for (const chain of chains) {
      const offsets = [0];
      for (let i = 1; i < chain.length; i += 1) {
        offsets.push(offsets[i - 1] + sizes[chain[i - 1]].leave - sizes[chain[i]].enter);
      }
      const middle = chain.reduce((sum, item, i) => sum + xs[item] - offsets[i], 0) / chain.length;
      chain.forEach((item, i) => { xs[item] = middle + offsets[i]; });
    }
  }

  function place(box, given) {
    const total = 1 + Math.max(-1, ...box.layers.flat());
    const sizes = [...given];
    while (sizes.length < total) sizes.push({ width: 0, height: 0, enter: 0, leave: 0 });
    const xs = new Array(total).fill(0), ys = new Array(total).fill(0), rows = [];
    let y = 0;
    for (const layer of box.layers) {
      const height = Math.max(...layer.map((item) => sizes[item].height));
      rows.push(height);
      for (const item of layer) ys[item] = y + (height - sizes[item].height) / 2;
      y += height + (height ? GAP_Y : GAP_PORT);
    }
    const { above, below } = neighbours(box.routes, total);
    const count = box.children.length;
    for (const layer of box.layers) spread(layer, xs, sizes, count);
    const chains = findChains(above, below);
    for (let turn = 0; turn < PLACINGS; turn += 1) {
      const last = turn >= PLACINGS - 2;
      for (const layer of turn % 2 ? [...box.layers].reverse() : box.layers) {
        for (const item of layer) {
          const wanted = [];
          if (turn % 2 === 0 || last) {
            for (const o of above[item]) wanted.push(xs[o] + sizes[o].leave - sizes[item].enter);
          }
          if (turn % 2 === 1 || last) {
            for (const o of below[item]) wanted.push(xs[o] + sizes[o].enter - sizes[item].leave);
          }
          if (wanted.length) xs[item] = wanted.reduce((a, b) => a + b) / wanted.length;
        }
        spread(layer, xs, sizes, count);
      }
      if (turn % 2) {
        straighten(chains, xs, sizes);
        for (const layer of box.layers) spread(layer, xs, sizes, count);
      }
    }
    const left = xs.length ? Math.min(...xs) : 0;
    const placed = xs.map((x) => x - left);
    const width = Math.max(0, ...placed.map((x, i) => x + sizes[i].width));
    const end = rows.length && rows[rows.length - 1] ? GAP_Y : GAP_PORT;
    return { xs: placed, ys, rows, width, height: Math.max(0, y - end) };
  }

  function lay(box, outermost) {
    if (!outermost && !(box.children && box.open)) {
      const half = box.width / 2;
      return { box, size: { width: box.width, height: box.height, enter: half, leave: half } };
    }
    const inside = box.children.map((child) => lay(child, false));
    const placed = place(box, inside.map((laid) => laid.size));
    if (outermost) return { box, inside, placed, shift: 0, size: placed };
    const width = Math.max(placed.width + 2 * PADDING, box.headingWidth);
    const shift = (width - placed.width) / 2;
    const port = (item) => (item >= 0 ? shift + placed.xs[item] : width / 2);
    const size = {
      width, height: placed.height + HEADING + PADDING,
      enter: port(box.top), leave: port(box.bottom),
    };
    return { box, inside, placed, shift, size };
  }

  function way(points) {
    let [x, start, y] = points[0];
    let path = `M${x} ${start}L${x} ${y}`;
    for (const [toX, upper, lower] of points.slice(1)) {
      const middle = (y + upper) / 2;
      path += `C${x} ${middle} ${toX} ${middle} ${toX} ${upper}L${toX} ${lower}`;
      x = toX;
      y = lower;
    }
    return { path, x, y };
  }

  function drawEdges(laid, left, top, into) {
    const { box, inside, placed } = laid;
    const count = box.children.length, heights = [];
    box.layers.forEach((layer, i) => layer.forEach((item) => { heights[item] = placed.rows[i]; }));
    box.routes.forEach((route, number) => {
      const last = route[route.length - 1];
      const points = route.map((item) => {
        const x = left + placed.xs[item], y = top + placed.ys[item];
        if (item < count) {
          const size = inside[item].size, foot = y + size.height;
          return item === last ? [x + size.enter, y, y] : [x + size.leave, foot, foot + STRAIGHT];
        }
        if (item === box.top) return [x, y - HEADING, y];
        if (item === box.bottom) return [x, y, y + PADDING];
        return [x, y - heights[item] / 2, y + heights[item] / 2];
      });
      const { path, x, y } = way(points), level = box.levels[number];
      into.append(element("path", { d: path, class: `edge level${level}` }));
      if (last < count) {
        const corners = `${x},${y} ${x - 3.5},${y - 7} ${x + 3.5},${y - 7}`;
        into.append(element("polygon", { points: corners, class: `head level${level}` }));
      }
    });
  }

  function drawBox(laid, x, y, into, act) {
    const { box, size, inside } = laid;
    const group = element("g", { class: `box ${box.kind}${inside ? " open" : ""}` });
    group.append(element("title", {}, box.tip.join("\n")));
    group.append(element("rect", { x, y, width: size.width, height: size.height, rx: 6 }));
    group.append(element("rect", {
      x, y, width: STRIPE, height: size.height, rx: 3, class: `stripe level${box.level}`,
    }));
    into.append(group);
    if (inside) drawInside(laid, x + laid.shift, y + HEADING, group, act);
    const handle = element("g", { class: "handle" });
    if (inside) {
      handle.append(element("rect", {
        x: x + STRIPE, y, width: size.width - STRIPE, height: HEADING - 2, class: "catch",
      }));
      handle.append(words(x + 16, y + 18, box.heading, "heading"));
      handle.append(words(x + size.width - 10, y + 18, "−", "sign"));
    } else {
      if (box.children) {
        handle.append(element("rect", {
          x, y, width: size.width, height: size.height, class: "catch",
        }));
        handle.append(words(x + size.width - 10, y + 19, "+", "sign"));
      }
      box.lines.forEach((line, i) => {
        handle.append(words(x + 16, i ? y + 20 + LINE * i : y + 20, line, i ? "below" : "name"));
      });
    }
    group.append(handle);
    if (box.children) act.button(handle, box);
    else act.card(handle, box);
  }

  function drawInside(laid, left, top, into, act) {
    const { inside, placed } = laid;
    drawEdges(laid, left, top, into);
    inside.forEach((child, i) => {
      drawBox(child, left + placed.xs[i], top + placed.ys[i], into, act);
    });
    inside.forEach((child, i) => {
      if (child.inside) return;
      const x = left + placed.xs[i] + child.size.leave;
      const y = top + placed.ys[i] + child.size.height + 14;
      into.append(words(x - 6, y, child.box.flow[0], "flow value"));
      into.append(words(x + 6, y, child.box.flow[1], "flow gradient"));
    });
  }

  /* The picture in pieces that fit on paper, cut between cards: browsers cut one that is higher than
     a page anywhere, and print what follows on top of it. */
  function pieces(svg) {
    const { width, height } = svg.viewBox.baseVal;
    const limit = PAPER_HEIGHT * Math.max(1, width / PAPER_WIDTH), made = [];
    const cards = [...svg.querySelectorAll(".box:not(.open) > rect:first-of-type")].map((card) => {
      const y = Number(card.getAttribute("y"));
      return [y - 4, y + Number(card.getAttribute("height")) + 20];
    });
    const clean = (y) => !cards.some(([from, to]) => from < y && y < to);
    for (let y = 0; y < height;) {
      let end = Math.min(height, y + limit);
      while (end < height && end > y + limit / 2 && !clean(end)) end -= 4;
      if (end < height && !clean(end)) end = Math.min(height, y + limit);
      const piece = svg.cloneNode(true);
      piece.setAttribute("viewBox", `0 ${y} ${width} ${end - y}`);
      piece.setAttribute("width", width);
      piece.setAttribute("height", end - y);
      made.push(piece);
      y = end;
    }
    return made;
  }

  const each = (box, work, depth = 0) => {
    work(box, depth);
    (box.children || []).forEach((child) => each(child, work, depth + 1));
  };

  function start(figure) {
    const root = JSON.parse(figure.querySelector(".graph-data").textContent);
    const view = figure.querySelector(".graph-view"), tools = figure.querySelector(".graph-tools");
    let zoom = 1, focused = "";
    const panel = document.createElement("pre");
    panel.className = "graph-tip";
    panel.setAttribute("aria-live", "polite");
    panel.textContent = "Click a box to open or close it; point at one to read its numbers.";

    const tell = (box) => { panel.textContent = box.tip.join("\n"); };
    const act = {
      card(handle, box) {
        handle.addEventListener("pointerenter", () => tell(box));
      },
      button(handle, box) {
        const toggle = () => {
          focused = box.key;
          box.open = !box.open;
          draw(box.key);
        };
        handle.setAttribute("tabindex", "0");
        handle.setAttribute("role", "button");
        handle.setAttribute("aria-expanded", String(Boolean(box.open)));
        handle.setAttribute("aria-label", `${box.name}: ${box.tip.join(", ")}`);
        handle.dataset.key = box.key;
        handle.addEventListener("click", toggle);
        handle.addEventListener("pointerenter", () => tell(box));
        handle.addEventListener("focus", () => tell(box));
        handle.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            toggle();
          }
        });
      },
    };

    function draw(kept) {
      const find = () => (kept ? view.querySelector(`[data-key="${kept}"]`) : null);
      const before = find() ? find().getBoundingClientRect() : null;
      const laid = lay(root, true);
      const width = laid.size.width + 2 * MARGIN, height = laid.size.height + 2 * MARGIN;
      const svg = element("svg", {
        viewBox: `0 0 ${width} ${height}`, width: width * zoom, height: height * zoom,
        role: "group", "aria-label": figure.getAttribute("aria-label"),
      });
      drawInside(laid, MARGIN, MARGIN, svg, act);
      view.replaceChildren(svg);
      const after = find();
      if (before && after) {  // what was clicked stays where it was
        const now = after.getBoundingClientRect();
        view.scrollLeft += now.left - before.left;
        view.scrollTop += now.top - before.top;
        if (focused) after.focus({ preventScroll: true });
      }
    }

    const button = (text, label, work) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.setAttribute("aria-label", label);
      made.addEventListener("click", () => { work(); draw(""); });
      tools.append(made);
    };
    const depths = () => {
      let shallowest = Infinity;
      each(root, (box, depth) => {
        if (depth && box.children && !box.open) shallowest = Math.min(shallowest, depth);
      });
      return shallowest;
    };
    const openTo = (limit) => each(root, (box, depth) => { box.open = depth < limit; });
    button("One level more", "Open one level more", () => openTo(depths() + 1));
    button("All open", "Open all boxes", () => openTo(Infinity));
    button("All closed", "Close all boxes", () => openTo(1));
    button("+", "Larger", () => { zoom = Math.min(3, zoom * 1.25); });
    button("−", "Smaller", () => { zoom = Math.max(0.15, zoom / 1.25); });
    button("Fit", "Fit into the view", () => {
      const laid = lay(root, true);
      const across = view.clientWidth / (laid.size.width + 2 * MARGIN);
      const down = view.clientHeight / (laid.size.height + 2 * MARGIN);
      zoom = Math.max(0.15, Math.min(1.5, across, down));
    });
    window.addEventListener("beforeprint", () => {
      view.replaceChildren(...pieces(view.querySelector("svg")));
    });
    window.addEventListener("afterprint", () => draw(""));
    figure.append(panel);
    figure.classList.add("live");
    draw("");
    view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
  }

  document.querySelectorAll("figure.graph").forEach(start);
})();
