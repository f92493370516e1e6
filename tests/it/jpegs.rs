//! JPEG files of every structure that ITU-T T.81 allows and people have: samplings, scans in any order, restarts, colours
//! and what markers say of them. All of them show one picture, so that a test knows what must come out.

/// What the components of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Grey,
    Ycc,
    Rgb,
    /// 255 is no ink, as programs write it.
    Inks,
    /// The first three as YCbCr of how much ink there is.
    Ycck,
}

/// How the coefficients are spread over scans.
#[derive(Clone, Debug)]
pub(crate) enum Scans {
    /// Baseline: the components of each scan.
    Baseline(Vec<Vec<usize>>),
    /// Progressive: the components of each of the first scans, then each component's rest in bands.
    Progressive(Vec<Vec<usize>>),
    /// Progressive: the same, but each component's rest comes bit by bit, with runs of blocks that tell nothing.
    Refined(Vec<Vec<usize>>),
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(crate) struct Jpeg {
    pub(crate) size: (usize, usize),
    pub(crate) colours: Colours,
    /// Horizontal and vertical sampling of each component.
    pub(crate) factors: Vec<(usize, usize)>,
    pub(crate) names: Vec<u8>,
    pub(crate) scans: Scans,
    /// Blocks or units between restarts.
    pub(crate) restarts: usize,
    /// Ss, Se, Ah and Al of a baseline scan.
    pub(crate) parameters: [u8; 3],
    /// Segments behind the start of the image, each whole.
    pub(crate) segments: Vec<Vec<u8>>,
    /// Segments before each scan but the first.
    pub(crate) between: Vec<Vec<u8>>,
    /// How much every sample differs from that next to it, beside what the picture has.
    pub(crate) grain: f32,
}

/// A marker segment with its length.
pub(crate) fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).expect("a segment is short");
    [&[0xff, marker][..], &length.to_be_bytes(), payload].concat()
}

/// Says that the components are grey or YCbCr (ITU-T T.871 §10).
pub(crate) fn jfif() -> Vec<u8> {
    segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
}

/// Says how the components are coded: 0 as they are, 1 YCbCr, 2 YCCK (ITU-T T.872 §6.5.3).
pub(crate) fn adobe(transform: u8) -> Vec<u8> {
    segment(0xee, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat())
}

/// An EXIF block that says nothing but this orientation.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    block[25] = orientation;
    segment(0xe1, &block)
}

impl Jpeg {
    /// One scan without any marker that says what the components are.
    pub(crate) fn new(colours: Colours, factors: &[(usize, usize)]) -> Self {
        let all = (0..factors.len()).collect();
        Self {
            size: (150, 100),
            colours,
            factors: factors.to_vec(),
            names: (1..).take(factors.len()).collect(),
            scans: Scans::Baseline(vec![all]),
            restarts: 0,
            parameters: [0, 63, 0],
            segments: Vec::new(),
            between: Vec::new(),
            grain: 0.0,
        }
    }

    pub(crate) fn with(mut self, segments: &[Vec<u8>]) -> Self {
        self.segments.extend_from_slice(segments);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let planes: Vec<Plane> = (0..self.factors.len()).map(|component| self.plane(component)).collect();
        let mut file = vec![0xff, 0xd8];
        self.segments.iter().for_each(|segment| file.extend_from_slice(segment));
        file.extend(segment(0xdb, &[&[0][..], &[QUANTUM; 64]].concat()));
        file.extend(self.frame());
        file.extend(segment(0xc4, &[&[0][..], &lengths(4, 12), &(0..12).collect::<Vec<u8>>()].concat()));
        let symbols =
            if matches!(self.scans, Scans::Refined(_)) { [run_sizes(), runs()].concat() } else { run_sizes() };
        file.extend(segment(0xc4, &[&[0x10][..], &lengths(8, symbols.len() as u8), &symbols].concat()));
        if self.restarts > 0 {
            file.extend(segment(0xdd, &u16::try_from(self.restarts).expect("few").to_be_bytes()));
        }
        match &self.scans {
            Scans::Baseline(scans) => {
                scans.iter().for_each(|scan| self.scan(&mut file, &planes, scan, self.parameters, 0..64));
            }
            Scans::Progressive(first) => {
                // All but the last bit of the first coefficients, that bit, and the others in two bands.
                first.iter().for_each(|scan| self.scan(&mut file, &planes, scan, [0, 0, 0x01], 0..1));
                first.iter().for_each(|scan| self.scan(&mut file, &planes, scan, [0, 0, 0x10], 0..1));
                for band in [1..6_u8, 6..64] {
                    for component in 0..planes.len() {
                        let parameters = [band.start, band.end - 1, 0];
                        let band = usize::from(band.start)..usize::from(band.end);
                        self.scan(&mut file, &planes, &[component], parameters, band);
                    }
                }
            }
            Scans::Refined(first) => {
                // As libjpeg's encoder does it: all but the last two bits in two bands, and then one bit after the other.
                first.iter().for_each(|scan| self.scan(&mut file, &planes, scan, [0, 0, 0x01], 0..1));
                for (band, bits) in [(1..6_u8, 0x02), (6..64, 0x02), (1..64, 0x21), (1..64, 0x10)] {
                    for component in 0..planes.len() {
                        let range = usize::from(band.start)..usize::from(band.end);
                        self.scan(&mut file, &planes, &[component], [band.start, band.end - 1, bits], range);
                    }
                }
                first.iter().for_each(|scan| self.scan(&mut file, &planes, scan, [0, 0, 0x10], 0..1));
            }
        }
        file.extend([0xff, 0xd9]);
        file
    }

    /// Start of frame (B.2.2).
    fn frame(&self) -> Vec<u8> {
        let marker = if matches!(self.scans, Scans::Baseline(_)) { 0xc0 } else { 0xc2 };
        let side = |side: usize| u16::try_from(side).expect("a side is short").to_be_bytes();
        let [[h0, h1], [w0, w1]] = [self.size.1, self.size.0].map(side);
        let mut payload = vec![8, h0, h1, w0, w1, self.factors.len() as u8];
        for (name, (h, v)) in self.names.iter().zip(&self.factors) {
            payload.extend([*name, (h << 4 | v) as u8, 0]);
        }
        segment(marker, &payload)
    }

    fn most(&self) -> (usize, usize) {
        let most = |side: fn(&(usize, usize)) -> usize| self.factors.iter().map(side).max().expect("a component");
        (most(|factors| factors.0), most(|factors| factors.1))
    }

    /// One component, transformed and quantised.
    fn plane(&self, component: usize) -> Plane {
        let ((width, height), (h, v), (h_most, v_most)) = (self.size, self.factors[component], self.most());
        let blocks = |side: usize, own: usize, most: usize| (side * own).div_ceil(most).div_ceil(8);
        let padded = |side: usize, own: usize, most: usize| side.div_ceil(8 * most) * own;
        let mut plane = Plane {
            blocks: (blocks(width, h, h_most), blocks(height, v, v_most)),
            stride: padded(width, h, h_most),
            coefficients: Vec::new(),
        };
        // A sample stands in the middle of the area that it speaks for.
        let at = |place: usize, own: usize, most: usize, side: usize| {
            ((place as f32 + 0.5) * most as f32 / own as f32 - 0.5).min(side as f32 - 1.0)
        };
        for row in 0..padded(height, v, v_most) {
            for column in 0..plane.stride {
                let mut samples = [[0.0; 8]; 8];
                for (y, row_of_samples) in samples.iter_mut().enumerate() {
                    for (x, sample) in row_of_samples.iter_mut().enumerate() {
                        let (x, y) = (at(column * 8 + x, h, h_most, width), at(row * 8 + y, v, v_most, height));
                        let grain = self.grain * ((x * 12.9898 + y * 78.233).sin() * 43_758.547).fract();
                        *sample = self.stored(x / width as f32, y / height as f32)[component] - 128.0 + grain;
                    }
                }
                plane.coefficients.push(quantised(&samples));
            }
        }
        plane
    }

    /// What is stored of the picture at this place, of 255.
    fn stored(&self, x: f32, y: f32) -> [f32; 4] {
        let rgb = colour(x, y);
        let ycc = |[r, g, b]: [f32; 3]| {
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402]
        };
        let [a, b, c] = match self.colours {
            Colours::Grey => [ycc(rgb)[0]; 3],
            Colours::Rgb | Colours::Inks => rgb,
            Colours::Ycc => ycc(rgb),
            Colours::Ycck => ycc(rgb.map(|light| 255.0 - light)),
        };
        [a, b, c, 255.0]
    }

    /// What a pixel has to look like.
    pub(crate) fn seen(&self, x: f32, y: f32) -> [f32; 3] {
        match self.colours {
            Colours::Grey => [self.stored(x, y)[0]; 3],
            _ => colour(x, y),
        }
    }

    /// One scan (B.2.3): its header, and the blocks of its components in their order (A.2).
    fn scan(
        &self,
        file: &mut Vec<u8>,
        planes: &[Plane],
        scan: &[usize],
        parameters: [u8; 3],
        band: std::ops::Range<usize>,
    ) {
        if file.windows(2).any(|marker| marker == [0xff, 0xda]) {
            self.between.iter().for_each(|segment| file.extend_from_slice(segment));
        }
        let mut header = vec![scan.len() as u8];
        scan.iter().for_each(|component| header.extend([self.names[*component], 0]));
        header.extend(parameters);
        file.extend(segment(0xda, &header));
        let (h_most, v_most) = self.most();
        let units: Vec<Vec<(usize, usize)>> = if let [component] = scan {
            let (across, down) = planes[*component].blocks;
            (0..across * down)
                .map(|at| vec![(*component, at / across * planes[*component].stride + at % across)])
                .collect()
        } else {
            let (across, down) = (self.size.0.div_ceil(8 * h_most), self.size.1.div_ceil(8 * v_most));
            let unit = |at: usize| {
                let blocks = scan.iter().flat_map(|component| {
                    let (h, v) = self.factors[*component];
                    let block = move |x, y| (at / across * v + y) * planes[*component].stride + at % across * h + x;
                    (0..v).flat_map(move |y| (0..h).map(move |x| (*component, block(x, y))))
                });
                blocks.collect()
            };
            (0..across * down).map(unit).collect()
        };
        let refining = band.end == 1 && parameters[2] >> 4 > 0;
        let shift = if matches!(self.scans, Scans::Baseline(_)) { 0 } else { parameters[2] & 15 };
        let mut bits = Bits::default();
        let (mut last, mut run) = ([0; 4], Run::default());
        for (number, unit) in units.iter().enumerate() {
            if self.restarts > 0 && number > 0 && number % self.restarts == 0 {
                bits.end(&mut run);
                bits.restart(number / self.restarts - 1);
                last = [0; 4];
            }
            for (component, block) in unit {
                let block = &planes[*component].coefficients[*block];
                if refining {
                    bits.put((block[0] & 1) as u32, 1);
                    continue;
                }
                if band.start == 0 {
                    let first = block[0] >> shift;
                    bits.first(first - last[*component]);
                    last[*component] = first;
                }
                let others = &block[band.start.max(1)..band.end];
                match (&self.scans, band.start, parameters[2] >> 4) {
                    (Scans::Refined(_), 0, _) => {}
                    (Scans::Refined(_), _, 0) => bits.band(others, shift, &mut run),
                    (Scans::Refined(_), ..) => bits.refined(others, shift, &mut run),
                    _ => bits.others(others),
                }
            }
        }
        bits.end(&mut run);
        file.extend(bits.finish());
    }
}

/// The picture: everywhere another colour, and soft enough that no sampling loses much of it.
fn colour(x: f32, y: f32) -> [f32; 3] {
    let wave = |phase: f32| 0.5 + 0.5 * (std::f32::consts::TAU * phase).sin();
    [
        40.0 + 180.0 * wave(0.5 * x + 0.2 * y),
        30.0 + 190.0 * wave(0.3 * y - 0.4 * x + 0.4),
        215.0 - 170.0 * wave(0.3 * x * y + 0.4 * y),
    ]
}

/// The quantum of every coefficient.
const QUANTUM: u8 = 2;

struct Plane {
    /// Those that a scan of this component alone has.
    blocks: (usize, usize),
    /// Those of a row that scans of several components have.
    stride: usize,
    /// Of each block, in the order in which they are coded.
    coefficients: Vec<[i32; 64]>,
}

/// The cosine transform (A.3.3), rounded, in zigzag order.
fn quantised(samples: &[[f32; 8]; 8]) -> [i32; 64] {
    let transformed =
        |line: &[f32; 8]| -> [f32; 8] { std::array::from_fn(|u| (0..8).map(|x| line[x] * COSINES[u][x]).sum()) };
    let rows: [[f32; 8]; 8] = std::array::from_fn(|y| transformed(&samples[y]));
    let columns: [[f32; 8]; 8] = std::array::from_fn(|u| transformed(&std::array::from_fn(|y| rows[y][u])));
    let mut places: [(usize, usize); 64] = std::array::from_fn(|at| (at % 8, at / 8));
    // Along one diagonal after the other, up and down in turns.
    places.sort_by_key(|(u, v)| (u + v, if (u + v) % 2 == 0 { *u } else { *v }));
    places.map(|(u, v)| (columns[u][v] / f32::from(QUANTUM)).round() as i32)
}

static COSINES: std::sync::LazyLock<[[f32; 8]; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|u| {
        let scale = if u == 0 { (1.0_f32 / 8.0).sqrt() } else { 0.5 };
        std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * std::f32::consts::PI / 16.0).cos())
    })
});

/// A code table in which so many codes are of one length.
fn lengths(length: usize, count: u8) -> [u8; 16] {
    std::array::from_fn(|at| if at + 1 == length { count } else { 0 })
}

/// What codes of coefficients stand for: the end of a block, sixteen zeros, and a run of zeros before a number of so many bits.
fn run_sizes() -> Vec<u8> {
    let pairs = (0..16_u8).flat_map(|run| (1..=10).map(move |size| run << 4 | size));
    [0x00, 0xf0].into_iter().chain(pairs).collect()
}

/// What a run of 2, 4, 8 and more blocks stands for in which nothing follows (G.1.2.2).
fn runs() -> Vec<u8> {
    (1..15).map(|length| length << 4).collect()
}

/// Blocks that tell nothing more, and the bits that follow them.
#[derive(Default)]
struct Run {
    blocks: u32,
    corrections: Vec<u32>,
}

/// Bits of a scan, with zeros stuffed behind 0xff.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.pending = self.pending << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                let byte = self.pending as u8;
                self.bytes.push(byte);
                self.bytes.extend((byte == 0xff).then_some(0));
                (self.pending, self.count) = (0, 0);
            }
        }
    }

    /// A number without its sign's bit (F.1.2.1).
    fn number(&mut self, value: i32, size: u32) {
        self.put(if value < 0 { value - 1 } else { value }.cast_unsigned(), size);
    }

    fn first(&mut self, difference: i32) {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        self.put(size, 4);
        self.number(difference, size);
    }

    fn others(&mut self, band: &[i32]) {
        let mut run = 0;
        for (at, value) in band.iter().enumerate() {
            if band[at..].iter().all(|value| *value == 0) {
                return self.put(0, 8);
            }
            if *value == 0 {
                run += 1;
                continue;
            }
            (0..run / 16).for_each(|_| self.put(1, 8));
            let size = 32 - value.unsigned_abs().leading_zeros();
            self.put(2 + run % 16 * 10 + size - 1, 8);
            self.number(*value, size);
            run = 0;
        }
    }

    /// A band without its lowest bits (G.1.2.2).
    fn band(&mut self, band: &[i32], shift: u8, run: &mut Run) {
        let mut zeros = 0;
        for value in band.iter().map(|value| value.signum() * (value.abs() >> shift)) {
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end(run);
            (0..zeros / 16).for_each(|_| self.put(1, 8));
            let size = 32 - value.unsigned_abs().leading_zeros();
            self.put(2 + zeros % 16 * 10 + size - 1, 8);
            self.number(value, size);
            zeros = 0;
        }
        run.blocks += u32::from(zeros > 0);
    }

    /// The next bit of a band (G.1.2.3).
    fn refined(&mut self, band: &[i32], shift: u8, run: &mut Run) {
        let known = |value: &i32| value.unsigned_abs() >> shift;
        let newest = band.iter().rposition(|value| known(value) == 1);
        let (mut zeros, mut corrections) = (0, Vec::new());
        for (at, value) in band.iter().enumerate() {
            if known(value) == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && newest.is_some_and(|newest| at <= newest) {
                self.end(run);
                self.put(1, 8);
                corrections.drain(..).for_each(|bit| self.put(bit, 1));
                zeros -= 16;
            }
            if known(value) > 1 {
                corrections.push(known(value) & 1);
                continue;
            }
            self.end(run);
            self.put(2 + zeros * 10, 8);
            self.put(u32::from(*value > 0), 1);
            corrections.drain(..).for_each(|bit| self.put(bit, 1));
            zeros = 0;
        }
        if zeros > 0 || !corrections.is_empty() {
            run.blocks += 1;
            run.corrections.extend(corrections);
        }
    }

    /// Says how many blocks tell nothing more.
    fn end(&mut self, run: &mut Run) {
        if run.blocks > 0 {
            let length = run.blocks.ilog2();
            self.put(if length == 0 { 0 } else { 161 + length }, 8);
            self.put(run.blocks, length);
        }
        run.blocks = 0;
        run.corrections.drain(..).for_each(|bit| self.put(bit, 1));
    }

    fn restart(&mut self, number: usize) {
        self.flush();
        self.bytes.extend([0xff, 0xd0 | (number % 8) as u8]);
    }

    fn flush(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.bytes
    }
}
