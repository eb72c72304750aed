/** Real places for generated workers: city, state, ZIP and telephone prefixes, and wage level agree. */

interface Place {
  city: string;
  state: string;
  /** First three digits of the city's ZIP codes. */
  zip3: string;
  area: string;
  /** Local wage level against the national one. */
  wage: number;
}

const place = (line: string): Place => {
  const [city = "", state = "", zip3 = "", area = "", wage = ""] = line.split("|");
  return { city, state, zip3, area, wage: Number(wage) };
};

/** `6x` before a city makes it six times as likely as one without. */
const cities = `
6x Chicago|IL|606|312|1.05; 3x Houston|TX|770|713|0.98; 3x Dallas|TX|752|214|0.99
3x Los Angeles|CA|900|213|1.18; 3x New York|NY|100|212|1.25; 2x Columbus|OH|432|614|0.96
2x Indianapolis|IN|462|317|0.95; 2x Memphis|TN|381|901|0.9; 2x Atlanta|GA|303|404|1
2x Phoenix|AZ|850|602|1; Joliet|IL|604|815|1; Rockford|IL|611|779|0.93; Peoria|IL|616|309|0.92
Springfield|IL|627|217|0.92; Aurora|IL|605|630|1.01; Boston|MA|021|617|1.22
Springfield|MA|011|413|1.04; Worcester|MA|016|508|1.08; Providence|RI|029|401|1.06
Hartford|CT|061|860|1.09; Bridgeport|CT|066|203|1.1; Newark|NJ|071|973|1.14
Jersey City|NJ|073|201|1.15; Edison|NJ|088|732|1.12; Portland|ME|041|207|1
Manchester|NH|031|603|1.02; Burlington|VT|054|802|1.01; San Juan|PR|009|787|0.72
Buffalo|NY|142|716|0.99; Philadelphia|PA|191|215|1.07; Pittsburgh|PA|152|412|0.99
Allentown|PA|181|610|1.01; Baltimore|MD|212|410|1.06; Washington|DC|200|202|1.2
Richmond|VA|232|804|0.98; Charlotte|NC|282|704|0.97; Greensboro|NC|274|336|0.93
Greenville|SC|296|864|0.92; Jacksonville|FL|322|904|0.95; Miami|FL|331|305|1.02
Tampa|FL|336|813|0.96; Birmingham|AL|352|205|0.91; Nashville|TN|372|615|0.98
Louisville|KY|402|502|0.94; Cincinnati|OH|452|513|0.96; Cleveland|OH|441|216|0.96
Detroit|MI|482|313|1; Grand Rapids|MI|495|616|0.96; Milwaukee|WI|532|414|0.98
Minneapolis|MN|554|612|1.07; Des Moines|IA|503|515|0.95; St. Louis|MO|631|314|0.97
Kansas City|MO|641|816|0.96; Omaha|NE|681|402|0.95; Tulsa|OK|741|918|0.9
New Orleans|LA|701|504|0.94; San Antonio|TX|782|210|0.93; El Paso|TX|799|915|0.86
Denver|CO|802|303|1.08; Salt Lake City|UT|841|801|0.99; Albuquerque|NM|871|505|0.92
Las Vegas|NV|891|702|1.01; Reno|NV|895|775|1.02; Ontario|CA|917|909|1.1; Fresno|CA|937|559|1.02
Oakland|CA|946|510|1.24; Portland|OR|972|503|1.09; Seattle|WA|981|206|1.21
Anchorage|AK|995|907|1.15; Honolulu|HI|968|808|1.12
`;

export const places: readonly Place[] = cities
  .trim()
  .split(/; |\n/)
  .flatMap((entry) => {
    const [, times = "1", line = ""] = /^(?:(\d)x )?(.*)$/.exec(entry) ?? [];
    return Array.from({ length: Number(times) }, () => place(line));
  });
