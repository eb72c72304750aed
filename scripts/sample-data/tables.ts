/** What the generated workers are made of beside their places: roles with their words, and names. */

interface Trade {
  roles: readonly (readonly [name: string, lowest: number, highest: number])[];
  certifications: readonly string[];
  skills: readonly string[];
  sites: readonly string[];
  duties: readonly string[];
  shifts: readonly string[];
}

const threeShifts = ["day", "day", "evening", "night", "weekend", "rotating"] as const;

export const trades: readonly Trade[] = [
  {
    roles: [
      ["Forklift Operator", 17, 27],
      ["Warehouse Associate", 15, 22],
      ["Warehouse Associate", 15, 22],
      ["Order Picker", 15, 21],
      ["Shipping Clerk", 16, 23],
      ["Inventory Specialist", 18, 27],
      ["Material Handler", 16, 23],
    ],
    certifications: [
      "OSHA-10",
      "OSHA-30",
      "Forklift (Class I)",
      "Forklift (Class IV and V)",
      "Reach truck",
      "Hazmat 49 CFR",
      "First aid/CPR",
    ],
    skills: [
      "RF scanner",
      '48" pallet stacking',
      "cycle counting",
      "cross-docking",
      'reach truck to 32" aisles',
      "WMS, SAP EWM",
      "dock scheduling",
      "stretch wrapping",
    ],
    sites: [
      "a 40,000 sq ft cold store",
      "a cross-dock hub",
      "an e-commerce fulfilment centre",
      "a grocery distribution centre",
      "a third-party logistics warehouse",
    ],
    duties: [
      "Moved 180 pallets a shift by counterbalance and reach truck without a damage report",
      "Picked 140 lines an hour by RF scanner at 99.6 % accuracy",
      "Loaded and unloaded 53-foot trailers, checked seals and signed bills of lading",
      "Ran cycle counts twice a week and traced shortages to their bay",
      "Trained new hires on dock safety, battery changing and pedestrian lanes",
      "Worked in freezers at -10 F with proper gear, ten hours at a time",
    ],
    shifts: threeShifts,
  },
  {
    roles: [
      ["Welder", 20, 34],
      ["CNC Machinist", 22, 38],
      ["Assembler", 16, 23],
      ["Machine Operator", 17, 26],
      ["Maintenance Technician", 24, 39],
      ["Quality Inspector", 20, 31],
      ["Electrician", 26, 44],
    ],
    certifications: [
      "OSHA-10",
      "OSHA-30",
      "AWS D1.1",
      "AWS D1.6 (stainless)",
      "NIMS Level I",
      "Lockout/tagout",
      "EPA 608",
      "Six Sigma Green Belt",
    ],
    skills: [
      "MIG and TIG",
      'tolerances to 0.0005"',
      "blueprint reading",
      "Fanuc, Haas and Mazak controls",
      'plate to 1"',
      "GD&T",
      "PLC troubleshooting",
      "preventive maintenance",
    ],
    sites: [
      "a stamping plant",
      "a job shop of forty people",
      "a food processing line",
      "an aerospace supplier",
      "a shipyard",
    ],
    duties: [
      "Set up and ran five-axis mills, wrote small edits in G-code and held first-piece approval",
      "Welded structural steel in all positions, X-ray tested, with a repair rate under 1 %",
      "Read drawings, chose tooling and kept the setup sheet up to date",
      "Rebuilt gearboxes and pumps, and cut unplanned downtime on two lines by a third",
      "Inspected incoming castings with CMM, calipers and thread gauges",
      "Wired control panels to NEC and labelled every conductor",
    ],
    shifts: threeShifts,
  },
  {
    roles: [
      ["RN", 36, 62],
      ["LPN", 26, 38],
      ["CNA", 17, 25],
      ["Medical Assistant", 18, 27],
      ["Phlebotomist", 18, 26],
      ["Home Health Aide", 15, 21],
    ],
    certifications: [
      "BLS",
      "ACLS",
      "PALS",
      "State RN licence (compact)",
      "CNA registry",
      "Phlebotomy (NHA)",
      "TB test (current)",
      "First aid/CPR",
    ],
    skills: [
      "IV therapy",
      "Epic and Cerner charting",
      'the "five rights" of medication',
      "wound care",
      "patient transfer, Hoyer lift",
      "vital signs",
      "triage",
      "dementia care",
    ],
    sites: [
      "a 30-bed medical-surgical unit",
      "a skilled nursing facility",
      "an outpatient surgery centre",
      "a memory care home",
      "an emergency department",
    ],
    duties: [
      "Cared for five to six patients a shift, gave medication and charted before hand-off",
      "Drew forty samples a morning and kept the redraw rate under 2 %",
      "Helped residents with bathing, meals and walking, two at a time with a gait belt",
      "Precepted students and new graduates for two years",
      "Kept isolation rooms stocked and followed contact precautions without a breach",
      "Called families with honest news, in English and in Spanish",
    ],
    shifts: ["day", "day", "night", "night", "weekend", "12-hour"],
  },
  {
    roles: [
      ["CDL-A Driver", 24, 36],
      ["Delivery Driver", 17, 25],
      ["General Labourer", 16, 23],
      ["Carpenter", 21, 35],
      ["Landscaper", 15, 22],
    ],
    certifications: [
      "CDL-A",
      "CDL-A (tanker and hazmat)",
      "OSHA-10",
      "DOT medical card",
      "Flagger",
      "NCCER Core",
      "Scaffold user",
    ],
    skills: [
      "backing to blind docks",
      'framing, 16" on centre',
      "ELD logs",
      "concrete finishing",
      "load securement",
      "route planning",
      "power tools",
      "site clean-up",
    ],
    sites: [
      "a regional dry-van fleet",
      "a mid-rise building site",
      "a municipal contractor",
      "a parcel depot",
      "a lumber yard",
    ],
    duties: [
      "Drove 2,400 miles a week without a preventable accident, pre-trip and post-trip logged",
      "Made 130 stops a day in dense traffic, on foot where the van could not go",
      "Framed walls and set trusses from drawings, plumb and square",
      "Poured and finished slabs, stairs and kerbs in all weather",
      "Secured machinery with chains and binders to the securement rules",
      "Led a crew of four, kept the time sheets and ordered material",
    ],
    shifts: ["day", "day", "day", "early", "night", "on call"],
  },
  {
    roles: [
      ["Customer Service Representative", 16, 24],
      ["Administrative Assistant", 18, 28],
      ["Data Entry Clerk", 15, 21],
      ["Accounts Payable Clerk", 19, 29],
      ["Line Cook", 15, 22],
      ["Housekeeper", 14, 20],
    ],
    certifications: [
      "ServSafe",
      "ServSafe (manager)",
      "Notary public",
      "Microsoft Office Specialist",
      "QuickBooks Online",
      "First aid/CPR",
    ],
    skills: [
      "Excel, pivot tables",
      "typing 75 wpm",
      "three-way invoice matching",
      'calm with the word "refund"',
      "Spanish, fluent",
      "calendar keeping",
      "knife work",
      "opening and closing",
    ],
    sites: [
      "a claims call centre",
      "a hotel of 300 rooms",
      "a hospital kitchen",
      "a county office",
      "a wholesaler's back office",
    ],
    duties: [
      "Answered seventy calls a day and kept satisfaction at 4.7 of 5",
      "Matched 400 invoices a week to orders and receipts, and chased what differed",
      "Keyed 12,000 strokes an hour with double entry on amounts",
      "Ran sauté on Friday nights, 220 covers, ticket times under fourteen minutes",
      "Turned sixteen rooms a shift and passed every inspection this year",
      "Kept two calendars, took minutes and sent them the same day",
    ],
    shifts: ["day", "day", "day", "evening", "weekend", "split"],
  },
];

/** Each with its form in plain letters, for the address. Taken from many languages, since real files are. */
const pairs = (lines: string): readonly (readonly [string, string])[] =>
  lines
    .split(",")
    .map((entry) => entry.trim().split("="))
    .map(([name = "", plain = name]) => [name, plain.toLowerCase().replaceAll(/[^a-z]/g, "")] as const);

export const firstNames = pairs(
  "Maria, James, Keisha, Robert, Jennifer, Michael, Linda, David, Patricia, Carlos, Aisha, Daniel, Nancy, Marcus, " +
    "Denise, Kevin, Sandra, Brian, Tamika, Jorge, Emily, Luis, Grace, Omar, Priya, Wei, Hannah, DeShawn, Rosa, Peter, " +
    "José=Jose, Zoë=Zoe, Łukasz=Lukasz, Søren=Soren, François=Francois, Siân=Sian, Jürgen=Juergen, Ángela=Angela, " +
    "Thị Mai=Thi Mai, Đức=Duc, Олена=Olena, Иван=Ivan, 李娜=Li Na, 伟=Wei, さくら=Sakura, 민준=Minjun, محمد=Mohammed, " +
    "فاطمة=Fatima, Ελένη=Eleni, आरती=Aarti, Anaïs=Anais, Mary-Jo, D'Andre=Dandre",
);

export const lastNames = pairs(
  "Smith, Johnson, Williams, Brown, Jones, Garcia, Miller, Davis, Rodriguez, Martinez, Hernandez, Lopez, Gonzalez, " +
    "Wilson, Anderson, Thomas, Taylor, Moore, Jackson, Martin, Lee, Perez, Thompson, White, Harris, Sanchez, Clark, " +
    "Ramirez, Lewis, Robinson, Walker, Young, Allen, King, Wright, Scott, Torres, Nguyen, Hill, Flores, Green, Adams, " +
    "Muñoz=Munoz, Peña=Pena, Nuñez=Nunez, Kowalski, Wójcik=Wojcik, Nguyễn=Nguyen, Müller=Mueller, Østergård=Ostergard, " +
    "Çelik=Celik, Šimić=Simic, Ó Súilleabháin=OSullivan, O'Connor=OConnor, O’Neill=ONeill, Коваленко=Kovalenko, " +
    "王=Wang, 佐藤=Sato, 김=Kim, الحسن=Alhassan, Παπαδόπουλος=Papadopoulos, शर्मा=Sharma, St. John=StJohn, van der Berg",
);

export const praise: readonly string[] = [
  '"Shows up early, every single day," says the last supervisor',
  'Called "the one I would hire twice" by a client',
  "Asked back by name after the first week",
  "Punctual; two unplanned absences in a year",
  'Left the last assignment with "eligible for rehire" on file',
  "Quiet, careful, good with a mixed crew",
  "Learns a new line in a day, and writes down how",
];

export const wishes: readonly string[] = [
  "Prefers assignments within 15 miles, no car",
  "Has own transport and steel-toe boots",
  "Open to temp-to-hire; wants benefits after 90 days",
  "Cannot lift over 40 lb until further notice",
  "Available for overtime, not on Sundays",
  'Wants "first shift only", will take second for +$1.50/h',
  "Would travel for per diem",
  "Speaks English and Spanish; reads some Polish",
];
