"use strict";
(() => {
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.body.append(tip);

  const line = (text, bold) => {
    const row = document.createElement("div");
    const word = document.createElement(bold ? "b" : "span");
    word.textContent = text;
    row.append(word);
    return row;
  };

  const show = (rows, x, y) => {
    tip.replaceChildren(...rows);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > window.innerWidth ? x - 14 - box.width : x + 14;
    tip.style.left = Math.max(4, left) + window.scrollX + "px";
    tip.style.top = Math.max(4, y - box.height - 10) + window.scrollY + "px";
  };
  const hide = () => { tip.hidden = true; };

  document.addEventListener("pointerover", (event) => {
    const owner = event.target.closest("[data-tip]");
    if (!owner) return;
    const row = line(owner.dataset.tip);
    row.className = "text";
    show([row], event.clientX, event.clientY);
  });
  document.addEventListener("pointerout", (event) => {
    if (event.target.closest("[data-tip]")) hide();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  const nearest = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  };
  const word = (value, percent) => {
    if (value === null) return "not finite or not measured";
    return percent ? (100 * value).toFixed(1) + " %" : String(Number(value.toPrecision(4)));
  };

  const space = document.querySelector("svg")?.namespaceURI;
  const svgElement = (name, attributes) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  const chart = (figure) => {
    const svg = figure.querySelector("svg");
    const data = JSON.parse(figure.querySelector("script.numbers").textContent);
    const [xLow, xHigh, xStart, xEnd] = data.x;
    const [yLow, yHigh, yStart, yEnd] = data.y;
    const offset = data.x_offset;
    const toX = (x) => {
      const part = offset
        ? Math.log((x + offset) / (xLow + offset)) / Math.log((xHigh + offset) / (xLow + offset))
        : (x - xLow) / (xHigh - xLow);
      return xStart + part * (xEnd - xStart);
    };
    const toY = (y) => {
      const part = data.log ? Math.log(y / yLow) / Math.log(yHigh / yLow) : (y - yLow) / (yHigh - yLow);
      return yStart + Math.min(Math.max(part, 0), 1) * (yEnd - yStart);
    };
    const layer = svgElement("g", {});
    svg.append(layer);
    const all = [...new Set(data.series.flatMap((series) => series.xs))].sort((a, b) => a - b);
    if (!all.length) return;
    const pixels = all.map(toX);
    let at = all.length - 1;

    // Of many lines a tooltip names those next to the pointer.
    const near = (x, height) => {
      if (data.series.length <= 6) return data.series;
      const away = (series) => {
        const value = series.ys[nearest(series.xs, x)];
        return value === null ? Infinity : Math.abs(toY(value) - height);
      };
      return [...data.series].sort((a, b) => away(a) - away(b)).slice(0, 4);
    };
    const point = (index, height = yEnd) => {
      at = index;
      const x = all[index];
      const named = data.x_names[x - 1] ? ": " + data.x_names[x - 1] : "";
      const rows = [line(data.name + " " + x.toLocaleString("en") + named, true)];
      layer.replaceChildren(svgElement("line", { x1: toX(x), x2: toX(x), y1: yEnd, y2: yStart, class: "cursor" }));
      for (const series of near(x, height)) {
        const i = nearest(series.xs, x);
        const own = series.xs[i] === x ? "" : " (" + data.name + " " + series.xs[i].toLocaleString("en") + ")";
        rows.push(line(series.label + ": " + word(series.ys[i], data.percent) + own));
        if (series.ys[i] !== null) {
          layer.append(svgElement("circle", { cx: toX(series.xs[i]), cy: toY(series.ys[i]), r: 4, class: "here tone-" + series.tone }));
        }
      }
      for (const mark of data.marks) {
        if (Math.abs(toX(mark.x) - toX(x)) < 6) {
          const row = line(mark.text);
          row.className = "text";
          rows.push(row);
        }
      }
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      show(rows, box.left + toX(x) * scale, box.top + 40);
    };
    const leave = () => { layer.replaceChildren(); hide(); };

    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      point(nearest(pixels, (event.clientX - box.left) * scale), (event.clientY - box.top) * scale);
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -all.length, End: all.length }[event.key];
      if (!move) return;
      event.preventDefault();
      point(Math.min(Math.max(at + move, 0), all.length - 1));
    });
  };

  const matrix = (figure) => {
    const image = figure.querySelector("img");
    const data = JSON.parse(figure.querySelector("script.numbers").textContent);
    const number = data.classes.length;
    const cells = new Map(data.cells.map(([t, p, n]) => [t * number + p, n]));
    image.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const place = (offset, size) => Math.min(number - 1, Math.max(0, Math.floor(offset / size * number)));
      const said = place(event.clientX - box.left, box.width);
      const truth = place(event.clientY - box.top, box.height);
      const count = cells.get(truth * number + said) || 0;
      const head = data.classes[truth] + " → " + data.classes[said];
      show([line(head, true), line(count + " of " + data.totals[truth])], event.clientX, event.clientY);
    });
    image.addEventListener("pointerleave", hide);
  };

  const heat = (figure) => {
    const data = JSON.parse(figure.querySelector("script.numbers").textContent);
    const body = figure.querySelector("tbody");
    body.addEventListener("pointermove", (event) => {
      const cell = event.target.closest("td");
      const column = cell ? cell.cellIndex - 1 : -1;
      if (column < 0 || column >= data.steps.length) return hide();
      const index = cell.parentElement.sectionRowIndex;
      const rows = [line(data.names[index], true)];
      rows.push(line("step " + data.steps[column].toLocaleString("en") + ": " + data.rows[index][column]));
      show(rows, event.clientX, event.clientY);
    });
    body.addEventListener("pointerleave", hide);
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const sort = head.getAttribute("aria-sort");
        const numbers = head.classList.contains("number");
        const down = sort ? sort === "ascending" : numbers;
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [one, two] = [key(a, column), key(b, column)];
          const order = numbers ? one - two : one.localeCompare(two, undefined, { numeric: true });
          return down ? -order : order;
        });
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        table.tBodies[0].append(...rows);
      });
    });
  };

  document.querySelectorAll("figure.chart:has(> script.numbers)").forEach(chart);
  document.querySelectorAll("figure.heat").forEach(heat);
  document.querySelectorAll("figure.bigmatrix").forEach(matrix);
  document.querySelectorAll("table.sortable").forEach(sortable);

  // Paper shows everything; what was closed is closed again afterwards.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    opened.forEach((details) => { details.open = false; });
    opened = [];
  });
})();
